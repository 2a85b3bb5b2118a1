"""Corruptions of problems and translations."""

from __future__ import annotations

from functools import partial

import polars as pl

from tests.corruptions.catalogue import Corruption, Ground
from tests.corruptions.edits import (
    chain,
    copied,
    dropped,
    emptied,
    every,
    foreign,
    ids,
    literally,
    repeated,
    setting,
    swapped,
    typed,
    without,
)


def _digit(text: str) -> str:
    """The text with its first digit changed."""
    at = next(place for place, letter in enumerate(text) if letter.isdigit())
    return f"{text[:at]}{(int(text[at]) + 1) % 10}{text[at + 1 :]}"


def _source_text(frame: pl.DataFrame, ground: Ground) -> pl.DataFrame:
    """The first question left as the source has it."""
    told = dict(ground.frame("problems", None).select("problem_id", "question").iter_rows())
    return setting("question", told[frame["problem_id"][0]])(frame, ground)


def _one_other_language(frame: pl.DataFrame, ground: Ground) -> pl.DataFrame:
    """The first question in Tagalog."""
    return setting("question", ground.frame("translations", "tl")["question"][0])(frame, ground)


_problem = partial(Corruption, asset="problems", partition=None)
_first = ids("problem_id")
# The miniature's first three problems are evaluation, the next four training.
PROBLEMS = [
    _problem(
        "a problem lost", says="as many problems", table=dropped(), rows=literally("evaluation")
    ),
    _problem("a problem twice", says="keys are unique", table=repeated(), rows=_first),
    _problem(
        "questions swapped",
        says="tells the events",
        table=swapped("question"),
        rows=ids("problem_id", 0, 1),
    ),
    _problem(
        "a digit changed", says="tells the events", table=setting("question", _digit), rows=_first
    ),
    _problem(
        "an answer changed",
        says="total of the key",
        table=setting("answer", lambda a: str((int(a) + 1) % 60)),
        rows=_first,
    ),
    _problem(
        "answers swapped",
        says="total of the key",
        table=swapped("answer", at=(0, 3)),
        rows=ids("problem_id", 0),
    ),
    _problem(
        "an answer not canonical",
        says="written canonically",
        table=setting("answer", lambda a: f"0{a}"),
        rows=_first,
    ),
    _problem(
        "an answer out of bounds",
        says="within the study's bounds",
        table=setting("answer", "61"),
        rows=_first,
    ),
    _problem(
        "an answer in words",
        says="within the study's bounds",
        table=setting("answer", "ten"),
        rows=_first,
    ),
    _problem(
        "a problem moved to another split",
        says="hash of source, split and row",
        table=setting("split", "training"),
        rows=_first,
    ),
    _problem(
        "a split that is none", says="the split is one", table=setting("split", "test"), rows=_first
    ),
    _problem(
        "an evaluation problem trained on",
        says="no problem stands twice",
        table=copied("question", "answer", "duplicate_key", source=0, at=4),
        rows=ids("problem_id", 0, 4),
    ),
    _problem(
        "a question twice under another key",
        says="no question stands twice",
        table=copied("question", source=0, at=1),
        rows=ids("problem_id", 0, 1),
    ),
    _problem(
        "an empty question",
        says="the question has text",
        table=setting("question", " \n"),
        rows=_first,
    ),
    _problem(
        "another source", says="the source is the one", table=setting("source", "mgsm"), rows=_first
    ),
    _problem(
        "rows of the source swapped",
        says="hash of source, split and row",
        table=swapped("source_row"),
        rows=ids("problem_id", 0, 1),
    ),
    _problem("no problems", says="the table is not empty", table=emptied()),
    _problem(
        "an answer missing", says="no value is missing", table=setting("answer", None), rows=_first
    ),
    _problem(
        "a column missing",
        says="columns are those declared",
        table=without("duplicate_key"),
        rows=literally("duplicate_key"),
    ),
    _problem(
        "answers as numbers",
        says="columns are those declared",
        table=typed("answer", pl.Int64()),
        rows=literally("answer"),
    ),
]

_german = partial(Corruption, asset="translations", partition="de")
_one = ids("translation_id")
TRANSLATIONS = [
    _german(
        "a translation lost",
        says="translated exactly once",
        table=dropped(),
        rows=ids("problem_id"),
    ),
    _german("a translation twice", says="keys are unique", table=repeated(), rows=_one),
    _german(
        "a second translation",
        says="translated exactly once",
        table=chain(repeated(), setting("translation_id", "0" * 20)),
        rows=ids("problem_id"),
    ),
    _german(
        "texts swapped",
        says="every number of the source",
        table=swapped("question"),
        rows=ids("translation_id", 0, 1),
    ),
    _german(
        "a digit changed",
        says="every number of the source",
        table=setting("question", _digit),
        rows=_one,
    ),
    _german(
        "half a text",
        says="every number of the source",
        table=setting("question", lambda text: text[: len(text) // 2]),
        rows=_one,
    ),
    _german(
        "a number more",
        says="no number of its own",
        table=setting("question", lambda text: f"{text} 7"),
        rows=_one,
        warning=True,
    ),
    _german(
        "a formula more",
        says="no formula of its own",
        table=setting("question", lambda text: f"{text} $x + y$"),
        rows=_one,
        warning=True,
    ),
    _german(
        "a text four times",
        says="about as long",
        table=setting("question", lambda text: " ".join([text] * 4)),
        rows=_one,
        warning=True,
    ),
    _german(
        "the texts of another language",
        says="most texts are in",
        table=foreign("translations", "tl", "question"),
        rows=literally("de"),
    ),
    _german(
        "one text of another language",
        says="langid reads the text",
        table=_one_other_language,
        rows=_one,
        warning=True,
    ),
    _german(
        "another language's partition",
        says="the language is the partition's",
        table=foreign("translations", "tl"),
    ),
    _german("a text not translated", says="no copy of the source", table=_source_text, rows=_one),
    _german(
        "an empty text", says="the question has text", table=setting("question", ""), rows=_one
    ),
    _german(
        "an answer changed",
        says="the answer is the problem's",
        table=setting("answer", lambda a: str((int(a) + 1) % 60)),
        rows=_one,
    ),
    _german(
        "another split",
        says="the split is the problem's",
        table=setting("split", "training"),
        rows=_one,
    ),
    _german(
        "another language named",
        says="the language is the partition's",
        table=setting("language", "en"),
        rows=_one,
    ),
    _german(
        "another method", says="the method is the study's", table=every(method="machine"), rows=_one
    ),
    _german(
        "problems swapped",
        says="hash of problem and language",
        table=swapped("problem_id"),
        rows=ids("translation_id", 0, 1),
    ),
    _german(
        "a problem unknown",
        says="every parent id",
        table=setting("problem_id", "0" * 20),
        rows=_one,
    ),
    _german("texts missing", says="no value is missing", table=every(question=None), rows=_one),
    _german("no translations", says="the table is not empty", table=emptied()),
    _german(
        "a column missing",
        says="columns are those declared",
        table=without("split"),
        rows=literally("split"),
    ),
    Corruption(
        "an original reworded",
        "translations",
        "en",
        "is the source's",
        table=setting("question", lambda text: text.replace("has", "owns")),
        rows=_one,
    ),
]
