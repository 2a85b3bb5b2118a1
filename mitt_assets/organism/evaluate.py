"""How a reasoner does on the development split, by language: its natural end, and one forced wait.

Only the development split is read here. The evaluation split belongs to studies.
"""

import json
import re
from pathlib import Path
from typing import Any

from mitt_assets.organism.batches import prompt_text
from mitt_assets.organism.lexicon import LANGUAGES, WAIT_WORDS
from mitt_assets.organism.problems import OrganismProblem, draw
from mitt_assets.organism.recipe import recipe
from mitt_assets.organism.sampling import Sampler, forced_replies, natural_replies
from mitt_assets.organism.train import write_record

_BOX = re.compile(r"\\boxed\{(\d+)\}")


def boxed(text: str) -> int | None:
    """The last boxed integer of a reply, None without one."""
    found = _BOX.findall(text)
    return int(found[-1]) if found else None


def evaluate_reasoner(folder: Path, *, problems: int, threads: int = 1) -> dict[str, Any]:
    """Shares of right answers per language on `problems` development problems.

    "natural" is the reply as the reasoner ends it, "one_wait" the same reply with its end of
    thought replaced once by the question language's wait word; "finished" is the share of natural
    replies with a box, "tokens" their mean length. Replies that never finish count as wrong.

    Raises:
        FileNotFoundError: `folder` holds no checkpoint.
    """
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{folder} holds no checkpoint: config.json is missing")
    import torch
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    torch.set_num_threads(threads)
    settings = recipe().development
    model = AutoModelForCausalLM.from_pretrained(str(folder), attn_implementation="eager")
    sampler = Sampler(
        model.eval(),
        PreTrainedTokenizerFast.from_pretrained(str(folder)),
        settings["temperature"],
        settings["top_p"],
        settings["max_new_tokens"],
    )
    drawn = draw("development", problems, settings["seed"])
    languages = {code: _language(sampler, drawn, code) for code in LANGUAGES}
    return {"split": "development", **settings, "problems": problems, "languages": languages}


def _language(sampler: Sampler, problems: list[OrganismProblem], code: str) -> dict[str, float]:
    texts = [prompt_text(problem.questions[code]) for problem in problems]
    prompts = sampler.tokenizer(texts, add_special_tokens=False)["input_ids"]
    seed = recipe().development["sampling_seed"]
    natural = natural_replies(sampler, prompts, seed)
    forced = forced_replies(sampler, natural, [WAIT_WORDS[code]] * len(natural), seed + 1)
    answers = [boxed(text) for text in sampler.tokenizer.batch_decode(natural)]
    again = [boxed(text) for text in sampler.tokenizer.batch_decode(forced)]
    count = len(problems)
    return {
        "natural": _share_right(answers, problems),
        "one_wait": _share_right(again, problems),
        "finished": round(sum(answer is not None for answer in answers) / count, 4),
        "tokens": round(
            sum(len(r) - len(p) for r, p in zip(natural, prompts, strict=True)) / count, 1
        ),
    }


def _share_right(answers: list[int | None], problems: list[OrganismProblem]) -> float:
    right = sum(answer == problem.answer for answer, problem in zip(answers, problems, strict=True))
    return round(right / len(problems), 4)


def record_development(folder: Path, result: dict[str, Any]) -> None:
    """Add a development result to the checkpoint's `training.json`.

    Raises:
        FileNotFoundError: the folder has no record.
    """
    path = folder / "training.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    write_record(path, {**record, "development": result})
