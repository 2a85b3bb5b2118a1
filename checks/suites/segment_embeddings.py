"""Embeddings have the parts that the thoughts have, and are what the encoder says of their text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from checks.subject import Subject, Values
from checks.suites.rules import between, equal, rows, suite

if TYPE_CHECKING:
    import polars as pl
    from great_expectations import ExpectationSuite

SETTINGS = ("windows.tokens", "windows.segments")
CODE = ("checks.suites.rules", "mitt_assets.method.windows", "resources.encoders")

KEY = ("trace_id", "unit", "segment")
SAMPLE = 256
"""Vectors that are made again; drawn by the hash of their key, so always the same ones."""
LENGTH_OFF = 1e-5
"""Vectors are stored in float32, whose sums of squares are off by less."""
VECTOR_OFF = 1e-4
"""Sums in a batch depend on its padding and on the device (1e-5 measured in float32)."""


def measure(subject: Subject) -> dict[str, Values]:
    """Parts per trace; dimension, length and finiteness of every vector; a sample made again."""
    from mitt_assets.method.windows import segment_texts

    variant = subject.step.variant
    traces = subject.parent_frame(f"{variant}/traces")
    parts = segment_texts(traces, subject.study.windows)
    manifest = json.loads(subject.store.read(subject.parent("sentence_encoder"), "manifest.json"))
    known = subject.frame.join(parts.select(*KEY, "text"), on=KEY, how="inner")
    dimension = int(manifest["dimension"])
    return {
        "parts": Values(_parts(subject.frame, parts, traces), ("trace_id", "part")),
        "vectors": Values(_vectors(known, dimension), KEY),
        "sample": Values(_sample(subject, known, dimension), KEY),
    }


def suites(subject: Subject) -> dict[str, ExpectationSuite]:
    """Every part of every thought, as one unit vector of the encoder's."""
    return {
        "parts": suite(
            "parts",
            rows("every trace was measured"),
            between("missing", 0, 0, "every part of a thought has its row"),
            between("unexpected", 0, 0, "every row is a part of its thought"),
            between("of another problem", 0, 0, "a row has the problem of its trace"),
        ),
        "vectors": suite(
            "vectors",
            rows("vectors were measured"),
            equal("numbers", "numbers of the encoder", "vectors have the encoder's dimension"),
            between("not finite", 0, 0, "vectors hold finite numbers"),
            between("off length", 0, LENGTH_OFF, "vectors have length 1, or 0 for an empty text"),
        ),
        "sample": suite(
            "sample",
            rows("vectors were made again", high=SAMPLE),
            between("off", 0, VECTOR_OFF, "the encoder gives the same vector for the text"),
        ),
    }


def _parts(frame: pl.DataFrame, parts: pl.DataFrame, traces: pl.DataFrame) -> pl.DataFrame:
    """Per trace, the parts that lack, that should not be, and those of another problem."""
    import polars as pl

    place = pl.format("{}/{}", "unit", "segment").first().alias("part")
    problems = parts.select(*KEY, problem_of_trace="problem_id")
    joined = frame.join(problems, on=KEY, how="inner")
    found = {
        "missing": parts.join(frame, on=KEY, how="anti"),
        "unexpected": frame.join(parts, on=KEY, how="anti"),
        "of another problem": joined.filter(pl.col("problem_id") != pl.col("problem_of_trace")),
    }
    counted = traces.select("trace_id")
    for name, some in found.items():
        here = some.group_by("trace_id").agg(pl.len().alias(name), place.alias(f"{name} part"))
        counted = counted.join(here, on="trace_id", how="left", maintain_order="left")
    return counted.select(
        "trace_id",
        pl.coalesce(*(f"{name} part" for name in found), pl.lit("")).alias("part"),
        *(pl.col(name).fill_null(0).cast(pl.Int64) for name in found),
    )


def _vectors(known: pl.DataFrame, dimension: int) -> pl.DataFrame:
    """Per vector, how many numbers it has, how many are not finite, and how far from its length."""
    import numpy as np
    import polars as pl

    numbers = known["vector"].list.len().cast(pl.Int64).fill_null(0).to_numpy()
    bad, off = np.zeros(known.height), np.zeros(known.height)
    fits = numbers == dimension
    vectors = known.filter(pl.Series(fits))["vector"].explode().to_numpy()
    matrix = vectors.astype(np.float64).reshape(-1, dimension)
    bad[fits] = np.count_nonzero(~np.isfinite(matrix), axis=1)
    lengths = np.linalg.norm(np.nan_to_num(matrix, posinf=0.0, neginf=0.0), axis=1)
    empty = (known["text"].str.strip_chars() == "").to_numpy()
    # A vector with numbers that are not finite is told once, not again for its length.
    off[fits] = np.where(bad[fits] > 0, 0.0, np.abs(lengths - ~empty[fits]))
    return known.select(*KEY).with_columns(
        pl.Series("numbers", numbers),
        pl.Series("numbers of the encoder", np.full(known.height, dimension)),
        pl.Series("not finite", bad),
        pl.Series("off length", off),
    )


def _sample(subject: Subject, known: pl.DataFrame, dimension: int) -> pl.DataFrame:
    """The largest difference between stored vectors and those the encoder gives now."""
    import numpy as np
    import polars as pl

    from mitt_assets.method.identity import request_id

    drawn = [request_id("vector sample", *key) for key in known.select(KEY).iter_rows()]
    chosen = known.with_columns(pl.Series("drawn", drawn, dtype=pl.String)).sort("drawn")
    chosen = chosen.filter(pl.col("vector").list.len() == dimension).head(SAMPLE)
    stored = chosen["vector"].explode().to_numpy().reshape(-1, dimension)
    if not chosen.height:
        return chosen.select(*KEY, off=pl.lit(0.0))
    again = subject.services.encoder().encode(chosen["text"].to_list())
    off = np.abs(stored.astype(np.float64) - again).max(axis=1)
    # What is not a number differs from any number, and is told as such.
    return chosen.select(*KEY).with_columns(pl.Series("off", np.nan_to_num(off, nan=np.inf)))
