"""Problems: as many as asked, each once and in one split, with an answer the study allows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from checks.subject import Subject, Values
from checks.suites.rules import among, between, equal, rows, suite, unique
from mitt_assets.assets.problems import problem_id
from mitt_assets.method.probing import canonical
from mitt_assets.study import Problems, Split
from resources.problem_sources import columns_of, origin, splits
from resources.problem_sources.rows import same_text

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

SETTINGS = ("problems",)
CODE = (
    "checks.suites.rules",
    "mitt_assets.assets.problems",
    "mitt_assets.method.identity",
    "mitt_assets.method.probing",
    "resources.problem_sources",
)

NONE = "none"
_STEP = re.compile(r"([+-]?)(\d+)")
_NUMBER = re.compile(r"\d+")


def measure(subject: Subject) -> dict[str, Values]:
    """Each problem beside what it should be, and each split beside what the study asks."""
    import polars as pl

    settings = subject.study.problems
    problems = [_problem(row, settings) for row in subject.frame.iter_rows(named=True)]
    found = dict(subject.frame.group_by("split").len().iter_rows())
    counts = [_split(settings, name, found.get(name, 0)) for name in {*found, *splits(settings)}]
    return {
        "problems": Values(pl.DataFrame(problems, infer_schema_length=None), ("problem_id",)),
        "splits": Values(pl.DataFrame(counts).sort("split"), ("split",)),
    }


def suites(subject: Subject) -> dict[str, ExpectationSuite]:
    """Judge ``measure``."""
    settings = subject.study.problems
    answer = settings.answer
    return {
        "problems": suite(
            "problems",
            rows("there are problems"),
            equal("problem_id", "id due", "the id is the hash of source, split and row"),
            among("split", splits(settings), "the split is one of the study's"),
            equal("source", "source due", "the source is the one the study names for the split"),
            between("characters", 1, None, "the question has text"),
            equal("answer", "answer due", "the answer is written canonically, or there is none"),
            between("value", answer.low, answer.high, "the answer lies within the study's bounds"),
            unique("duplicate_key", "no problem stands twice, in one split or in two"),
            unique("text", "no question stands twice, whatever its duplicate key says"),
            equal("duplicate_key", "key due", "the duplicate key is that of the question"),
            equal("numbers", "numbers of the key", "the question tells the events of its key"),
            equal("answer", "total of the key", "the answer is the total of the key's events"),
        ),
        "splits": suite(
            "splits",
            rows("every split was counted", len(splits(settings))),
            equal("problems", "asked", "each split has as many problems as the study asks"),
        ),
    }


def _problem(row: Mapping[str, Any], settings: Problems) -> dict[str, Any]:
    known = row["split"] in splits(settings)
    events = settings.duplicates == "events"
    text, answer, key = same_text(row["question"]), row["answer"], row["duplicate_key"]
    written = " ".join(_NUMBER.findall(row["question"]))
    unanswered = known and columns_of(settings, row["split"])[0].answer is None
    return {
        "problem_id": row["problem_id"],
        "id due": problem_id(settings, row["split"], row["source_row"]) if known else NONE,
        "split": row["split"],
        "source": row["source"],
        "source due": origin(settings, row["split"])[0] if known else NONE,
        "characters": len(row["question"].strip()),
        "answer": answer,
        "answer due": "" if unanswered else canonical(answer, settings.answer) or NONE,
        "value": settings.answer.low if unanswered else _value(answer),
        "duplicate_key": key,
        "text": text,
        # By events a key is "24+3-9": the question's numbers in order, which sum to its answer.
        "key due": key if events else text,
        "numbers": written,
        "numbers of the key": " ".join(_NUMBER.findall(key)) if events else written,
        "total of the key": _total(key) if events else answer,
    }


def _value(answer: str) -> int | None:
    return int(answer) if re.fullmatch(r"-?\d{1,18}", answer) else None


def _total(key: str) -> str:
    return str(sum(int(sign + digits) for sign, digits in _STEP.findall(key)))


def _split(settings: Problems, name: str, found: int) -> dict[str, Any]:
    asked = 0
    if name in splits(settings):
        one: Split = getattr(settings, name)
        # Without a count all of the source is taken, which is some.
        asked = one.count if one.count is not None else max(1, found)
    return {"split": name, "problems": found, "asked": asked}
