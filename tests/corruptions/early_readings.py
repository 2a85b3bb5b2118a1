"""Corruptions of probes and windows."""

from __future__ import annotations

from functools import partial
from math import nan

import polars as pl

from tests.corruptions.catalogue import Corruption, Ground
from tests.corruptions.edits import (
    Edit,
    chain,
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


def _without(column: str, at: int = 0) -> Edit:
    """All rows gone that hold in this column what the row at ``at`` holds."""
    return lambda frame, ground: frame.filter(pl.col(column) != frame[column][at])


def _unread(frame: pl.DataFrame, ground: Ground) -> pl.DataFrame:
    """Forced answers without a word, consistently."""
    forced = ~pl.col("own")
    return frame.with_columns(
        raw=pl.when(forced).then(pl.lit("")).otherwise("raw"),
        answer=pl.when(forced).then(None).otherwise("answer"),
        correct=pl.when(forced).then(False).otherwise("correct"),
    )


def _last(frame: pl.DataFrame) -> int:
    """The row of the first trace's last window or probe."""
    return int((frame["trace_id"] == frame["trace_id"][0]).sum()) - 1


def _at_last(column: str, by: int) -> Edit:
    """A number in the first trace's last row changed."""

    def edit(frame: pl.DataFrame, ground: Ground) -> pl.DataFrame:
        return setting(column, lambda value: value + by, _last(frame))(frame, ground)

    return edit


def _no_last(frame: pl.DataFrame, ground: Ground) -> pl.DataFrame:
    return dropped(_last(frame))(frame, ground)


def _own_text(frame: pl.DataFrame, ground: Ground) -> pl.DataFrame:
    """The first of the traces' own answers, another text around it."""
    at = frame["own"].to_list().index(True)
    return setting("raw", lambda text: f"{text} ", at)(frame, ground)


_probe = partial(Corruption, asset="base/probes", partition="de|llama")
_one = ids("trace_id")
PROBES = [
    _probe("a checkpoint lost", says="every planned point", table=dropped(), rows=_one),
    _probe("a terminal reading lost", says="every planned point", table=_no_last, rows=_one),
    _probe("a trace not probed", says="every planned point", table=_without("trace_id"), rows=_one),
    _probe(
        "all ends lost",
        says="every planned point",
        table=lambda frame, _: frame.filter(pl.col("kind") != "end"),
    ),
    _probe("a reading twice", says="keys are unique", table=repeated(), rows=_one),
    _probe(
        "a point that was not planned",
        says="every planned point",
        table=chain(repeated(), setting("budget", 9_999, -1)),
        rows=_one,
    ),
    _probe(
        "another budget",
        says="every planned point",
        table=setting("budget", lambda n: n + 1),
        rows=_one,
    ),
    _probe(
        "another number of waits", says="every planned point", table=setting("waits", 1), rows=_one
    ),
    _probe("another kind", says="kind of a probe", table=setting("kind", "final"), rows=_one),
    _probe(
        "another text",
        says="the answer is what the text says",
        table=setting("raw", "no}"),
        rows=_one,
    ),
    _probe(
        "another answer",
        says="the answer is what the text says",
        table=setting("answer", "60"),
        rows=_one,
    ),
    _probe(
        "an answer not read",
        says="the answer is what the text says",
        table=setting("answer", None),
        rows=_one,
    ),
    _probe(
        "an answer not canonical",
        says="the answer is what the text says",
        table=setting("answer", lambda a: f"0{a}"),
        rows=_one,
    ),
    _probe(
        "an answer out of bounds",
        says="within the study's bounds",
        table=chain(setting("raw", "61}"), setting("answer", "61")),
        rows=_one,
    ),
    _probe(
        "right called wrong",
        says="correct means",
        table=setting("correct", lambda value: not value),
        rows=_one,
    ),
    _probe("all called right", says="correct means", table=every(correct=True)),
    _probe(
        "a forced answer called own",
        says="own answer is read where",
        table=setting("own", True),
        rows=_one,
    ),
    _probe(
        "a checkpoint said not to be read",
        says="what the study lets out",
        table=setting("carried", True),
        rows=_one,
    ),
    _probe("another own text", says="from the text after the thought", table=_own_text),
    _probe(
        "a forced answer too long",
        says="keeps within its tokens",
        table=setting("raw", "9" * 9_999),
        rows=_one,
    ),
    _probe(
        "nothing forced",
        says="most readings give",
        table=_unread,
        rows=literally("all readings"),
        warning=True,
    ),
    _probe(
        "another language's partition",
        says="every parent id",
        table=foreign("base/probes", "en|llama"),
    ),
    _probe("no probes", says="the table is not empty", table=emptied()),
    _probe("texts missing", says="no value is missing", table=every(raw=None), rows=_one),
    _probe(
        "a column missing",
        says="columns are those declared",
        table=without("own"),
        rows=literally("own"),
    ),
    _probe(
        "budgets as text",
        says="columns are those declared",
        table=typed("budget", pl.String()),
        rows=literally("budget"),
    ),
]

_window = partial(Corruption, asset="base/windows", partition="de|llama")
WINDOWS = [
    _window("the last window lost", says="all its windows", table=_no_last, rows=_one),
    _window(
        "a window in the middle lost", says="no tokens lie between", table=dropped(1), rows=_one
    ),
    _window(
        "a thought without windows", says="all its windows", table=_without("trace_id"), rows=_one
    ),
    _window("a window twice", says="keys are unique", table=repeated(), rows=_one),
    _window(
        "a window shifted",
        says="multiples of their size",
        table=chain(setting("start", lambda n: n + 1, 1), setting("end", lambda n: n + 1, 1)),
        rows=_one,
    ),
    _window(
        "a gap", says="no tokens lie between", table=setting("start", lambda n: n + 4, 1), rows=_one
    ),
    _window(
        "an overlap", says="no tokens lie in two", table=setting("end", lambda n: n + 4), rows=_one
    ),
    _window(
        "a window beyond the thought",
        says="up to the thought's end",
        table=_at_last("end", 1),
        rows=_one,
    ),
    _window("tokens left over", says="the whole thought", table=_at_last("end", -1), rows=_one),
    _window("numbers swapped", says="in the order they stand", table=swapped("window"), rows=_one),
    _window(
        "numbers from 1",
        says="numbered from 0",
        table=lambda frame, _: frame.with_columns(pl.col("window") + 1),
        rows=_one,
    ),
    _window(
        "another segment",
        says="segments are relative",
        table=setting("segment", lambda n: n + 1),
        rows=_one,
    ),
    _window("another label", says="a label is the raw one", table=setting("label", "tl")),
    _window(
        "a label withheld", says="a label is the raw one", table=setting("label", "undetermined")
    ),
    _window(
        "all labels believed",
        says="a label is the raw one",
        table=lambda frame, _: frame.with_columns(words=pl.lit(0, dtype=pl.Int64)),
    ),
    _window(
        "a label that is none", says="candidates or undetermined", table=setting("label", "fr")
    ),
    _window(
        "a raw label that is none",
        says="raw labels are candidates",
        table=setting("raw_label", "fr"),
    ),
    _window(
        "another language read",
        says="what langid says",
        table=chain(setting("label", "en"), setting("raw_label", "en")),
        rows=_one,
    ),
    _window(
        "labels swapped for English",
        says="what langid says",
        table=every(label="en", raw_label="en"),
    ),
    _window(
        "another number of words",
        says="words are those of the text",
        table=setting("words", lambda n: n + 1),
        rows=_one,
    ),
    _window(
        "words below zero", says="words are not negative", table=setting("words", -1), rows=_one
    ),
    _window(
        "no probability",
        says="every window has a probability",
        table=setting("probability", nan),
        rows=_one,
    ),
    _window(
        "a probability above 1", says="at most 1", table=setting("probability", 1.5), rows=_one
    ),
    _window(
        "another label's probability",
        says="of the best label",
        table=setting("probability", 0.01),
        rows=_one,
    ),
    _window(
        "a rounded probability",
        says="probabilities are langid's",
        table=setting("probability", lambda p: p - 1e-6),
        rows=_one,
    ),
    _window(
        "known text at the prior",
        says="at the prior are those",
        table=setting("at_prior", True),
        rows=_one,
    ),
    _window(
        "everything at the prior",
        says="knows something of most",
        table=every(at_prior=True),
        rows=literally("all windows"),
        warning=True,
    ),
    _window(
        "another language's partition",
        says="every parent id",
        table=foreign("base/windows", "en|llama"),
    ),
    _window("no windows", says="the table is not empty", table=emptied()),
    _window("labels missing", says="no value is missing", table=every(raw_label=None), rows=_one),
    _window(
        "a column missing",
        says="columns are those declared",
        table=without("at_prior"),
        rows=literally("at_prior"),
    ),
    _window(
        "narrow probabilities",
        says="columns are those declared",
        table=typed("probability", pl.Float32()),
        rows=literally("probability"),
    ),
]
