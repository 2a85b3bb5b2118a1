"""A study shaped as `paper` that runs on a CPU: two random models, a set of our own, every variant.

The problems are invented here; no contest text is in this repository.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.fakes.paper_models import paper_model

LANGUAGES: dict[str, dict[str, str]] = {
    "en": {
        "name": "English",
        "level": "high",
        "instruction": "Please reason step by step, and put your final answer within \\boxed{}.",
        "wait": "Wait",
    },
    "vi": {
        "name": "Vietnamese",
        "level": "low",
        "instruction": "Hãy suy luận từng bước và đặt câu trả lời cuối cùng trong \\boxed{}.",
        "wait": "Khoan",
    },
    "tl": {
        "name": "Tagalog",
        "level": "low",
        "instruction": "Mangatwiran nang sunud-sunod at ilagay ang sagot sa loob ng \\boxed{}.",
        "wait": "Sandali",
    },
}

# Question by language and answer; the first three are evaluated, the others tuned on.
_PROBLEMS: list[tuple[dict[str, str], int]] = [
    (
        {
            "en": "A farmer fills $14$ baskets with $9$ mangoes each. How many mangoes are there?",
            "vi": "Một nông dân xếp vào $14$ giỏ, mỗi giỏ $9$ quả xoài. Có bao nhiêu quả xoài?",
            "tl": "Naglagay ang magsasaka ng $14$ na basket na may $9$ na mangga bawat isa."
            " Ilan ang lahat ng mangga?",
        },
        126,
    ),
    (
        {
            "en": "Let $x + 17 = 60$. What is the value of the number $x$ in this equation?",
            "vi": "Cho phương trình $x + 17 = 60$. Hỏi giá trị của số $x$ là bao nhiêu?",
            "tl": "Ibinigay na $x + 17 = 60$. Ano ang halaga ng bilang na $x$ dito?",
        },
        43,
    ),
    (
        {
            "en": "A train has $8$ cars, $35$ people sit in every car. How many people travel?",
            "vi": "Một đoàn tàu có $8$ toa, mỗi toa có $35$ người ngồi. Có bao nhiêu người đi?",
            "tl": "May $8$ na bagon ang tren at $35$ na tao ang nakaupo sa bawat bagon."
            " Ilang tao ang naglalakbay?",
        },
        280,
    ),
    *(
        (
            {
                "en": f"Anna reads ${pages}$ pages every day. How many does she read in"
                f" ${days}$ days?",
                "vi": f"Mỗi ngày bạn Anna đọc ${pages}$ trang sách. Hỏi bạn ấy đọc bao nhiêu trang"
                f" trong ${days}$ ngày?",
                "tl": f"Araw-araw ay nagbabasa si Anna ng ${pages}$ na pahina. Ilan ang mababasa"
                f" niya sa loob ng ${days}$ na araw?",
            },
            pages * days,
        )
        for pages, days in ((18, 11), (25, 6), (31, 14), (12, 40), (7, 90), (44, 3))
    ),
]
EVALUATED = 3


def paper_study(
    folder: Path, *, languages: tuple[str, ...] = ("en", "vi"), name: str = "paper-shaped"
) -> dict[str, Any]:
    """The study as a mapping; its models and problem files are written into ``folder``.

    Three problems, two models, variants base and mitt. Thoughts end by themselves here and there,
    so that whole traces can be tuned on.
    """
    models = {
        slug: paper_model(folder / "models" / slug, family, seed=seed, ends=True)
        for seed, (slug, family) in enumerate((("qwen", "qwen2"), ("llama", "llama")))
    }
    files = {
        "evaluation": _write(folder / "evaluation.jsonl", _PROBLEMS[:EVALUATED]),
        "training": _write(folder / "training.jsonl", _PROBLEMS[EVALUATED:]),
    }
    recipe = {
        "source_languages": ["en"],
        "prompt_languages": list(languages),
        "cut": {"tokens": 31},
        "whole_share": 0.5,  # of however few: some thoughts are empty
        "adapter": {"rank": 4, "steps": 2, "batch": 4, "packed": True},
    }
    return {
        "name": name,
        "languages": {code: LANGUAGES[code] for code in languages},
        "models": {slug: {"source": str(model.folder)} for slug, model in models.items()},
        "problems": {
            "source": str(files["evaluation"]),
            "columns": {"id": "id", "question": "question_{language}"},
            "training": {"source": str(files["training"])},
        },
        "engine": {"shard": 6, "device": "cpu"},
        "generation": {"samples": 2, "budget": 96, "answer_tokens": 64, "waits": 1},
        "windows": {"segments": 3, "rolling": 2, "candidates": ["en", "vi", "tl"]},
        "encoder": {"source": "organism"},
        "variants": {"base": {}, "mitt": {"recipe": recipe}},
        "statistics": {"resamples": 100, "comparisons": [["mitt", "base"]]},
    }


def _write(path: Path, problems: list[tuple[dict[str, str], int]]) -> Path:
    rows = [
        {
            "id": f"{path.stem}-{number}",
            **{f"question_{code}": text for code, text in questions.items()},
            "answer": answer,
        }
        for number, (questions, answer) in enumerate(problems)
    ]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")
    return path
