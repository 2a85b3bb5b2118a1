"""Windows tile their thought, and their labels are what langid says of their text.

There are as many windows as tokens by 32, so everything is measured per trace or per group of equal
rows, and langid reads a sample again where there are very many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from checks.subject import Subject, Values
from checks.suites.rules import WARNING, among, at_least, between, equal, rows, suite
from mitt_assets.method.windows import UNDETERMINED, window_texts

if TYPE_CHECKING:
    import polars as pl
    from great_expectations import ExpectationSuite

SETTINGS = ("windows",)
CODE = ("checks.suites.rules", "mitt_assets.method.windows", "resources.language_id")

READ_AGAIN = 5_000
"""Windows that langid reads again; all of them in a study of the organism's size."""
EXACT = 1e-9
"""Probabilities are computed the same way twice; only the order of sums may differ."""
KEY = ("trace_id", "window")
PRIOR = 0.5
"""Share of windows in which langid saw nothing, above which a thought is no text."""
WORDLESS = 0.5
"""Share of windows with too few words: drift would rest on the other half."""


def measure(subject: Subject) -> dict[str, Values]:
    """Each thought beside its windows, labels by kind, and a sample read again."""
    ((key, _),) = subject.parents
    traces = subject.parent_frame(key)
    return {
        "thoughts": Values(_thoughts(subject, traces), ("trace_id",)),
        "labels": Values(_labels(subject), ("witness",)),
        "read again": Values(_read_again(subject, traces), KEY),
        "whole": Values(_whole(subject.frame), ("partition",)),
    }


def suites(subject: Subject) -> dict[str, ExpectationSuite]:
    """Judge ``measure``."""
    candidates = subject.study.windows.candidates
    return {
        "thoughts": suite(
            "thoughts",
            rows("there are thoughts"),
            equal("windows", "windows due", "every thought has all its windows"),
            equal("numbers", "windows", "windows are numbered, each once"),
            between("number off", 0, 0, "windows are numbered from 0 in the order they stand"),
            between("start off", 0, 0, "windows start at multiples of their size"),
            between("end off", 0, 0, "windows are of full size, the last up to the thought's end"),
            between("gap", 0, 0, "no tokens lie between two windows"),
            between("overlap", 0, 0, "no tokens lie in two windows"),
            equal("tokens", "tokens due", "windows hold the whole thought and no more"),
            between("segment off", 0, 0, "segments are relative positions"),
            equal("probabilities", "windows", "every window has a probability"),
            # The best of n candidates has at least one in n.
            at_least("least probability", "chance", "probabilities are those of the best label"),
            between("greatest probability", 0, 1, "probabilities are at most 1"),
            between("least words", 0, None, "numbers of words are not negative"),
        ),
        "labels": suite(
            "labels",
            rows("there are labels"),
            among("label", (*candidates, UNDETERMINED), "labels are candidates or undetermined"),
            among("raw_label", candidates, "raw labels are candidates"),
            equal("label", "label due", "a label is the raw one, or undetermined for few words"),
        ),
        "read again": suite(
            "read again",
            rows("windows were read again"),
            equal("words", "words due", "words are those of the text"),
            equal("raw_label", "raw label due", "raw labels are what langid says of the text"),
            between("probability off", 0, EXACT, "probabilities are langid's"),
            equal("at_prior", "at prior due", "windows at the prior are those langid knows not"),
        ),
        "whole": suite(
            "whole",
            rows("windows were counted", 1, 1),
            between("share at prior", 0, PRIOR, "langid knows something of most windows", WARNING),
            between("share undetermined", 0, WORDLESS, "most windows have words", WARNING),
        ),
    }


def _thoughts(subject: Subject, traces: pl.DataFrame) -> pl.DataFrame:
    """One row per trace: what its windows add up to, and how far any is from where it should be."""
    import polars as pl

    settings = subject.study.windows
    thought = traces.select(
        "trace_id",
        **{
            "tokens due": pl.col("think_tokens"),
            "windows due": (pl.col("think_tokens") + settings.tokens - 1) // settings.tokens,
        },
    )
    sums = _summed(subject.frame.join(thought, on="trace_id", how="left"), subject)
    joined = thought.join(sums, on="trace_id", how="left")
    # A thought without windows lacks them, which its count tells; the rest says nothing of it.
    filled = joined.with_columns(
        pl.col("least probability", "greatest probability").fill_null(1.0),
    )
    whole = pl.exclude("least probability", "greatest probability", "trace_id").fill_null(0)
    chance = pl.lit(1 / len(settings.candidates) - EXACT)
    return filled.with_columns(whole).with_columns(chance=chance)


def _summed(windows: pl.DataFrame, subject: Subject) -> pl.DataFrame:
    import polars as pl

    size, segments = subject.study.windows.tokens, subject.study.windows.segments
    number, start, end = pl.col("window"), pl.col("start"), pl.col("end")
    placed = windows.sort("trace_id", "start", "window").with_columns(
        place=pl.int_range(pl.len()).over("trace_id"),
        before=end.shift(1).over("trace_id").fill_null(0),
    )
    probability = pl.col("probability").fill_nan(None)
    due = pl.min_horizontal((number + 1) * size, pl.col("tokens due"))
    step = start - pl.col("before")
    measures: dict[str, pl.Expr] = {
        "windows": pl.len().cast(pl.Int64),
        "numbers": number.n_unique().cast(pl.Int64),
        "number off": (number - pl.col("place")).abs().max(),
        "start off": (start - number * size).abs().max(),
        "end off": (end - due).abs().max(),
        "gap": pl.max_horizontal(step.max(), 0),
        "overlap": pl.max_horizontal((-step).max(), 0),
        "tokens": (end - start).sum(),
        "segment off": (pl.col("segment") - number * segments // pl.col("windows due")).abs().max(),
        "probabilities": probability.count().cast(pl.Int64),
        "least probability": probability.min(),
        "greatest probability": probability.max(),
        "least words": pl.col("words").min(),
    }
    return placed.group_by("trace_id").agg(**measures)


def _labels(subject: Subject) -> pl.DataFrame:
    """How many windows there are of each kind: their labels, and whether words suffice."""
    import polars as pl

    believed = pl.col("words") >= subject.study.windows.minimum_words
    due = pl.when(believed).then(pl.col("raw_label")).otherwise(pl.lit(UNDETERMINED))
    kinds = ("label", "raw_label", "label due")
    named = pl.concat_str(KEY[0], pl.lit("/"), pl.col(KEY[1]))
    frame = subject.frame.with_columns(due.alias("label due"), witness=named)
    grouped = frame.group_by(kinds).agg(
        windows=pl.len().cast(pl.Int64), witness=pl.col("witness").head(3).str.join(", ")
    )
    return grouped.sort(kinds)


def _read_again(subject: Subject, traces: pl.DataFrame) -> pl.DataFrame:
    """A sample, or all, beside what the identifier says of their text now."""
    import polars as pl

    settings, identifier = subject.study.windows, subject.services.identifier()
    step = -(-subject.frame.height // READ_AGAIN)
    sample = subject.frame.sort(KEY).gather_every(step).with_row_index("place")
    texts = _texts(sample, traces)
    said = identifier.identify(texts, settings.candidates)
    again: dict[str, list[Any]] = {
        "words due": [identifier.count_words(text) for text in texts],
        "raw label due": list(said.labels),
        "probability due": list(said.probabilities),
        "at prior due": list(said.at_prior),
    }
    frame = sample.with_columns(pl.Series(name, values) for name, values in again.items())
    off = (pl.col("probability") - pl.col("probability due")).abs()
    names = ("words", "raw_label", "probability", "at_prior")
    return frame.select(*KEY, *names, *again, **{"probability off": off})


def _texts(sample: pl.DataFrame, traces: pl.DataFrame) -> list[str]:
    """The text of each window of the sample, cut from its trace by the stored bounds."""
    import polars as pl

    groups = {key: group for (key,), group in sample.group_by("trace_id")}
    used = traces.filter(pl.col("trace_id").is_in(list(groups)))
    texts = [""] * sample.height
    # Few traces at a time: as Python lists all offsets of a large study would fill the memory.
    columns = used.select("trace_id", "text", "offsets").iter_rows(buffer_size=16)
    for trace_id, text, offsets in columns:
        group = groups[trace_id]
        bounds = list(group.select("start", "end").iter_rows())
        for place, cut in zip(group["place"], window_texts(text, offsets, bounds), strict=True):
            texts[place] = cut
    return texts


def _whole(frame: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    shares: dict[str, Any] = {
        "partition": "all windows",
        "windows": frame.height,
        "share at prior": frame["at_prior"].mean(),
        "share undetermined": (frame["label"] == UNDETERMINED).mean(),
    }
    return pl.DataFrame([shares])
