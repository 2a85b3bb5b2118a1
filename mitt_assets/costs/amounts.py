"""How much work a study is: requests and tokens of every stage, each an upper bound.

A bound follows from the study file alone: no trace thinks beyond its budget, and where it is read
is decided by its length (``method.probing.plan_branches``). ``mean_share`` of the budget turns
bounds into an expectation; it is an assumption of whoever asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from mitt_assets.study import Recipe, Study


@dataclass(frozen=True)
class Stage:
    """One kind of work over all its partitions.

    ``generated`` tokens are drawn one after another, ``read`` tokens are taken in at once (prompts
    and suffixes, and a thought again where it is continued or probed).
    """

    name: str
    partitions: int
    requests: int
    generated: int
    read: int


def traces_of(study: Study, problems: Mapping[str, int]) -> tuple[int, int]:
    """Traces that all partitions together hold: for evaluation, and to train on."""
    runs = len(study.models) * len(study.languages) * len(study.variants)
    evaluation = problems["evaluation"] * study.generation.samples * runs
    available = problems.get("training", 0)
    training = sum(
        min(recipe.problems or available, available) * len(_made_in(recipe)) * len(study.models)
        for recipe in _recipes(study)
    )
    return evaluation, training


def probes_per_trace(study: Study, think_tokens: int) -> int:
    """Answers forced on a trace of this length: checkpoints, ends of thinking, the terminal one."""
    return think_tokens // study.probes.stride + (study.generation.waits + 1) + 1


def stages(
    study: Study,
    problems: Mapping[str, int],
    *,
    prompt_tokens: int,
    suffix_tokens: int,
    mean_share: float = 1.0,
) -> list[Stage]:
    """Every stage that costs a model's time.

    ``problems`` are counts by split, ``prompt_tokens`` and ``suffix_tokens`` what a prompt and a
    probe's opening with its suffix take at most. With ``mean_share`` 1 all numbers are bounds but
    the adapters', which are what the recipe's mixture gives on average.
    """
    models, runs = len(study.models), len(study.models) * len(study.languages)
    evaluation, training = traces_of(study, problems)
    generation = study.generation
    thought = ceil(generation.budget * mean_share)
    answer = 1 + generation.answer_tokens
    # Each wait, and then the answer, is a request of its own that reads what went before.
    rounds = generation.waits + 2
    probes = evaluation * probes_per_trace(study, thought)
    recipes = _recipes(study)
    found = [
        Stage(
            "traces",
            runs * len(study.variants),
            evaluation,
            evaluation * (thought + answer),
            evaluation * (rounds * prompt_tokens + (rounds - 1) * thought),
        ),
        Stage(
            "probes",
            runs * len(study.variants),
            probes,
            probes * study.probes.tokens,
            evaluation * (prompt_tokens + thought) + probes * suffix_tokens,
        ),
        Stage(
            "training traces",
            models * len(recipes),
            training,
            training * (thought + answer),
            training * (2 * prompt_tokens + thought),
        ),
        Stage(
            "adapters",
            models * len(recipes),
            models * sum(one.adapter.steps * one.adapter.batch for one in recipes),
            0,
            models * sum(_tuned(one, study, prompt_tokens, thought) for one in recipes),
        ),
    ]
    return [one for one in found if one.requests]


def translation_stages(
    study: Study, questions: Mapping[str, int], prompt_tokens: int
) -> list[Stage]:
    """What a machine translates, with every attempt, and puts back once for the check of it.

    ``questions`` are those to translate into each language. A question and its translation take at
    most ``prompt_tokens``, in every beam; a chat model's reply takes what the study allows it.
    """
    settings, count = study.translation, put_back(study, questions)
    if not count:
        return []
    chat = settings.method == "chat"
    written = settings.tokens if chat else prompt_tokens * settings.beams
    # Byte-level BPE makes at least one byte of each token.
    read = prompt_tokens + (len(settings.prompt.encode("utf-8")) if chat else 0)
    return [
        Stage(name, len(questions), times * count, times * count * written, times * count * read)
        for name, times in (("translations", settings.attempts), ("back-translations", 1))
    ]


def put_back(study: Study, questions: Mapping[str, int]) -> int:
    """Translations put back into their questions' language: every one that a machine made."""
    return 0 if study.translation.method == "parallel" else sum(questions.values())


def texts_to_encode(study: Study, evaluation: int, translated: int) -> int:
    """Texts the sentence encoder reads: every segment and the first window of every trace.

    And every question that was ``translated`` and put back, with what it became.
    """
    return evaluation * (study.windows.segments + 1) + 2 * translated


def windows_to_label(study: Study, evaluation: int, mean_share: float = 1.0) -> int:
    """Windows whose language is identified."""
    return evaluation * ceil(ceil(study.generation.budget * mean_share) / study.windows.tokens)


def questions_to_translate(
    study: Study, problems: Mapping[str, int], brought: Mapping[str, tuple[str, ...]]
) -> dict[str, int]:
    """By language, questions no set brings; ``brought`` are the languages of each split's set."""
    counts = {
        code: sum(count for split, count in problems.items() if code not in brought[split])
        for code in study.languages
    }
    return {code: count for code, count in counts.items() if count}


def _recipes(study: Study) -> list[Recipe]:
    return [one.recipe for one in study.variants.values() if one.recipe is not None]


def _made_in(recipe: Recipe) -> set[str]:
    return {*recipe.source_languages, *recipe.whole_languages}


def _tuned(recipe: Recipe, study: Study, prompt: int, thought: int) -> int:
    """Tokens all steps read: prompt and what is kept, whole traces for the anchor's share."""
    whole = prompt + thought + 1 + study.generation.answer_tokens
    cut = recipe.cut
    kept = ceil(thought * cut.share) if cut.share is not None else cut.tokens
    sequences = recipe.adapter.steps * recipe.adapter.batch
    if kept is None:
        return sequences * whole
    anchors = ceil(sequences * recipe.whole_share)
    return anchors * whole + (sequences - anchors) * (prompt + kept)
