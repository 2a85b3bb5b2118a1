"""Probes: one at every point where a trace must be read, and each read by the study's rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from checks.subject import Subject, Values
from checks.suites.rules import WARNING, among, between, equal, rows, suite
from mitt_assets.method.probing import (
    CHECKPOINT,
    END,
    TERMINAL,
    ProbeForm,
    canonical,
    own_answer,
    plan_branches,
    read_answer,
    stable_after,
)

if TYPE_CHECKING:
    import polars as pl
    from great_expectations import ExpectationSuite

SETTINGS = ("probes.stride", "probes.tokens", "probes.stop_when_stable", "problems.answer")
CODE = ("checks.suites.rules", "mitt_assets.method.probing")

NONE = "none"
POINT = ("trace_id", "kind", "waits", "budget")
LETTERS = 64
"""More characters than one token has: a forced answer cannot be longer than this per token."""
PARSED = 0.5
"""Share of readings with an answer, below which the suffix or the reader is doubted."""
ONE_ANSWER = 0.5
"""Share of one answer among the readings, above which something else than the question answers."""


def measure(subject: Subject) -> dict[str, Values]:
    """The points planned beside those there, each reading beside what its text says."""
    import polars as pl

    schema = dict.fromkeys(POINT, pl.String) | {"waits": pl.Int64, "budget": pl.Int64}
    plan = pl.DataFrame(
        list(_planned(subject)),
        schema={**schema, "own due": pl.String, "own text": pl.String},
        orient="row",
    )
    readings = _readings(subject, plan)
    return {
        "points": Values(_points(subject.frame, plan), POINT),
        "readings": Values(readings, POINT),
        "whole": Values(_whole(readings), ("partition",)),
    }


def suites(subject: Subject) -> dict[str, ExpectationSuite]:
    """Judge ``measure``."""
    answer, longest = subject.study.problems.answer, subject.study.probes.tokens * LETTERS
    return {
        "points": suite(
            "points",
            rows("points were planned"),
            among("kind", (CHECKPOINT, END, TERMINAL), "the kind of a probe is one that is known"),
            equal("planned", "found", "every planned point is read once, and no other"),
        ),
        "readings": suite(
            "readings",
            rows("there are readings"),
            equal("own", "own due", "a trace's own answer is read where it has one"),
            equal("raw", "raw due", "an own answer is read from the text after the thought"),
            between("forced letters", 0, longest, "a forced answer keeps within its tokens"),
            equal("answer", "answer due", "the answer is what the text says, by the study's rule"),
            equal("correct", "correct due", "correct means equal to the problem's answer"),
            equal("carried", "carried due", "what is not read is what the study lets out"),
            equal("raw", "raw carried", "what is not read carries the last reading"),
            between("value", answer.low, answer.high, "the answer lies within the study's bounds"),
        ),
        "whole": suite(
            "whole",
            rows("the readings were counted", 1, 1),
            between("share read", PARSED, 1, "most readings give an answer", WARNING),
            between("share of one", 0, ONE_ANSWER, "no one answer is given everywhere", WARNING),
        ),
    }


def _planned(subject: Subject) -> Iterator[tuple[str, str, int, int, str, str]]:
    """Every point of every trace, whether the trace's own answer is read there, and its text.

    Only the places matter here, so the plan is made with an empty suffix.
    """
    form = ProbeForm(subject.study.probes.stride, (), ())
    (traces,) = (
        subject.store.table(record)
        for (asset, _), record in subject.parents.items()
        if asset.endswith("/traces")
    )
    for trace in traces.iter_rows(named=True):
        after = _after_thought(trace)
        plan = plan_branches(
            think_tokens=trace["think_tokens"],
            think_ends=trace["think_ends"],
            ended=trace["finish_reason"] != "budget",
            own=own_answer(after) is not None,
            form=form,
            ends_line=lambda _: True,
        )
        for one in plan:
            own = str(one.branch is None)
            told = after if one.branch is None else ""
            yield (trace["trace_id"], one.kind, one.waits, one.budget, own, told)


def _after_thought(trace: Mapping[str, Any]) -> str:
    at, offsets = trace["think_tokens"], trace["offsets"]
    return str(trace["text"])[offsets[at] :] if at < len(offsets) else ""


def _points(found: pl.DataFrame, plan: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    there = found.group_by(POINT).agg(found=pl.len().cast(pl.Int64))
    planned = plan.select(*POINT, planned=pl.lit(1, pl.Int64))
    joined = planned.join(there, on=POINT, how="full", coalesce=True)
    return joined.with_columns(pl.col("planned", "found").fill_null(0)).sort(POINT)


def _readings(subject: Subject, plan: pl.DataFrame) -> pl.DataFrame:
    """Every reading with its text read again; equal texts are read once."""
    import polars as pl

    answers = subject.study.problems.answer
    frame = subject.frame.join(_golds(subject), on="trace_id", how="left")
    frame = frame.join(plan, on=POINT, how="left").join(_carried(subject), on=POINT, how="left")
    texts = frame.select("raw", "own").unique()
    read = [
        canonical(own_answer(raw) if own else read_answer(raw), answers) or NONE
        for raw, own in texts.iter_rows()
    ]
    frame = frame.join(texts.with_columns(pl.Series("answer due", read)), on=("raw", "own"))
    own, due = pl.col("own"), pl.col("answer due")
    value = pl.col("answer").cast(pl.Int64, strict=False)
    return frame.select(
        *POINT,
        "raw",
        "answer due",
        own=own.replace_strict({True: "True", False: "False"}, return_dtype=pl.String),
        answer=pl.col("answer").fill_null(NONE),
        correct=pl.col("correct"),
        carried=pl.col("carried"),
        # A point that is not planned has no text of its own and is told above.
        **{
            "own due": pl.col("own due").fill_null("not planned"),
            "raw due": pl.when(own).then(pl.col("own text").fill_null("")).otherwise(pl.col("raw")),
            "forced letters": pl.when(own).then(0).otherwise(pl.col("raw").str.len_chars()),
            "carried due": pl.col("carried due").fill_null(value=False),
            "raw carried": pl.coalesce("raw carried", "raw"),
            "correct due": (due != NONE) & (due == pl.col("gold")),
            # No answer is no number; a lower bound stands in, as a gap would fail.
            "value": pl.when(pl.col("answer").is_null()).then(answers.low).otherwise(value),
        },
    )


def _carried(subject: Subject) -> pl.DataFrame:
    """Per checkpoint, whether it is past the place where its trace's answer is stable.

    ``raw carried`` is then what was read at that place.
    """
    import polars as pl

    schema: dict[str, Any] = dict.fromkeys((*POINT, "raw carried"), pl.String)
    schema |= {"waits": pl.Int64, "budget": pl.Int64, "carried due": pl.Boolean}
    times = subject.study.probes.stop_when_stable
    rows: list[tuple[object, ...]] = []
    if times is not None:
        read = subject.frame.filter(pl.col("kind") == CHECKPOINT).sort("trace_id", "budget")
        for _, own in read.group_by("trace_id", maintain_order=True):
            stop = stable_after(own["answer"].to_list(), times)
            last = own["raw"][stop - 1] if stop else ""
            past = own[stop:] if stop else own.clear()
            rows += [(*point, True, last) for point in past.select(POINT).iter_rows()]
    names = (*POINT, "carried due", "raw carried")
    return pl.DataFrame(rows, schema={one: schema[one] for one in names}, orient="row")


def _golds(subject: Subject) -> pl.DataFrame:
    """The canonical answer of each trace's question."""
    import polars as pl

    rule, (questions,) = (
        subject.study.problems.answer,
        subject.parent_frames("translations").values(),
    )
    golds = {
        question: canonical(answer, rule)
        for question, answer in questions.select("translation_id", "answer").iter_rows()
    }
    traces = pl.concat(
        subject.store.table(record).select("trace_id", "translation_id")
        for (asset, _), record in subject.parents.items()
        if asset.endswith("/traces")
    )
    gold = pl.col("translation_id").replace_strict(golds, default=None, return_dtype=pl.String)
    return traces.select("trace_id", gold=gold)


def _whole(readings: pl.DataFrame) -> pl.DataFrame:
    """Shares of readings: with any answer, and with the most frequent one."""
    import polars as pl

    said = readings.filter(pl.col("answer") != NONE)["answer"]
    most = max(said.value_counts()["count"].to_list(), default=0)
    shares = {
        "partition": "all readings",
        "share read": said.len() / max(1, readings.height),
        "share of one": most / max(1, readings.height),
    }
    return pl.DataFrame([shares])
