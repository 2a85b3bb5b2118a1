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

# Question by language and answer; the first half is evaluated, the second tuned on.
_PROBLEMS: list[tuple[dict[str, str], int]] = [
    (
        {
            "en": "A farmer fills $14$ baskets with $9$ mangoes each. How many mangoes are there?",
            "vi": "Một nông dân xếp vào $14$ giỏ, mỗi giỏ $9$ quả xoài. Có bao nhiêu quả xoài?",
            "tl": "Naglagay ang magsasaka ng $9$ na mangga sa bawat isa sa $14$ na basket."
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
            "en": "A train has $8$ cars and $35$ people sit in every car. How many people travel?",
            "vi": "Một đoàn tàu có $8$ toa và mỗi toa có $35$ người ngồi. Có bao nhiêu người đi tàu?",
            "tl": "May $8$ na bagon ang tren at $35$ na tao ang nakaupo sa bawat bagon."
            " Ilang tao ang naglalakbay?",
        },
        280,
    ),
    (
        {
            "en": "A shop sells $120$ pens on Monday and $45$ fewer on Tuesday. How many on Tuesday?",
            "vi": "Cửa hàng bán $120$ cây bút thứ Hai và ít hơn $45$ cây vào thứ Ba."
            " Thứ Ba bán bao nhiêu cây bút?",
            "tl": "Nagbenta ang tindahan ng $120$ na bolpen noong Lunes at mas kaunti ng $45$ noong"
            " Martes. Ilan ang nabenta noong Martes?",
        },
        75,
    ),
    (
        {
            "en": "The sides of a square garden are $21$ metres long. What is its area?",
            "vi": "Mỗi cạnh của khu vườn hình vuông dài $21$ mét. Diện tích của khu vườn là bao nhiêu?",
            "tl": "Ang bawat gilid ng parisukat na hardin ay $21$ metro ang haba."
            " Gaano kalawak ang hardin?",
        },
        441,
    ),
    (
        {
            "en": "Anna reads $18$ pages every day. How many pages does she read in $11$ days?",
            "vi": "Mỗi ngày bạn Anna đọc $18$ trang sách. Hỏi trong $11$ ngày Anna đọc bao nhiêu trang?",
            "tl": "Araw-araw ay nagbabasa si Anna ng $18$ na pahina."
            " Ilang pahina ang mababasa niya sa loob ng $11$ na araw?",
        },
        198,
    ),
]


def paper_study(
    folder: Path, *, languages: tuple[str, ...] = ("en", "vi"), name: str = "paper-shaped"
) -> dict[str, Any]:
    """The study as a mapping; its models and problem files are written into ``folder``.

    Six problems at most, two models, variants base, mitt, own_prefix and english_prefix. Thoughts
    end by themselves here and there, so that whole traces can be tuned on.
    """
    models = {
        slug: paper_model(folder / "models" / slug, family, seed=seed, ends=True)
        for seed, (slug, family) in enumerate((("qwen", "qwen2"), ("llama", "llama")))
    }
    half = len(_PROBLEMS) // 2
    files = {
        split: _write(folder / f"{split}.jsonl", rows)
        for split, rows in (("evaluation", _PROBLEMS[:half]), ("training", _PROBLEMS[half:]))
    }
    recipe = {
        "source_languages": ["en"],
        "prompt_languages": list(languages),
        "cut": {"tokens": 31},
        "whole_share": 0.1,
        "adapter": {"rank": 4, "steps": 2, "batch": 4},
    }
    own = {**recipe, "source_languages": list(languages), "prompt_languages": "own"}
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
        "variants": {
            "base": {},
            "mitt": {"recipe": recipe},
            "own_prefix": {"recipe": own},
            "english_prefix": {"inference_prefix": {"language": "en", "tokens": 31}},
        },
        "statistics": {"resamples": 100, "comparisons": [["mitt", "own_prefix"], ["mitt", "base"]]},
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
