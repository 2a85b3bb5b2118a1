"""Consistency is what its vectors give: every number is computed again from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.subject import Subject, Values
from checks.suites.rules import between, equal, rows, suite

if TYPE_CHECKING:
    import polars as pl
    from great_expectations import ExpectationSuite

SETTINGS = ("windows.rolling", "statistics.reference")
CODE = ("checks.suites.rules", "mitt_assets.method.consistency")

KEY = ("problem_id", "unit", "segment")
NUMBERS = ("within", "to_english", "within_rolling", "to_english_rolling")
OFF = 1e-9
"""Sums of unit vectors in float64 differ by less between linear algebra libraries."""


def measure(subject: Subject) -> dict[str, Values]:
    """Every row beside the same row computed from the parents."""
    from mitt_assets.method.consistency import consistency_frame

    vectors = f"{subject.step.variant}/segment_embeddings"
    reference = f"{subject.study.statistics.reference}|{subject.own['model']}"
    again = consistency_frame(
        subject.parent_frame(vectors, subject.record.partition),
        subject.parent_frame(vectors, reference),
        rolling=subject.study.windows.rolling,
    )
    return {"rows": Values(_beside(subject.frame, again), KEY)}


def suites(subject: Subject) -> dict[str, ExpectationSuite]:
    """The numbers of the parents' vectors, within the bounds of a cosine."""
    checks = [
        equal("there", "computed", "one row per problem and part of the vectors, and no other"),
        equal("n", "n computed", "n is the number of vectors that are not zero"),
    ]
    for name in NUMBERS:
        checks += [
            between(name, -1 - OFF, 1 + OFF, f"{name} is a cosine, or a mean of cosines"),
            between(f"{name} off", 0, OFF, f"{name} is what the vectors give"),
        ]
    return {"rows": suite("rows", rows("rows were measured"), *checks)}


def _beside(frame: pl.DataFrame, again: pl.DataFrame) -> pl.DataFrame:
    """Rows of either table; 0 stands for a number that is not given, which is no cosine to judge.

    A number that only one of the two gives is infinitely far off.
    """
    import polars as pl

    numbered = again.select(*KEY, pl.lit(1).alias("computed"), "n", *NUMBERS)
    joined = frame.select(*KEY, pl.lit(1).alias("there"), "n", *NUMBERS).join(
        numbered, on=KEY, how="full", coalesce=True, suffix=" computed"
    )
    both = joined.filter(pl.col("there").is_not_null() & pl.col("computed").is_not_null())
    one = joined.filter(pl.col("there").is_null() | pl.col("computed").is_null())
    off = [distance(name, f"{name} computed") for name in NUMBERS]
    unknown = [pl.lit(0.0).alias(f"{name} off") for name in NUMBERS]
    # A row on one side only is told once, by `there` and `computed`.
    every = pl.concat([both.with_columns(off), one.with_columns(unknown)])
    counts = pl.col("there", "computed").fill_null(0)
    n = pl.coalesce("n", "n computed"), pl.coalesce("n computed", "n").alias("n computed")
    return every.select(
        *KEY, counts, *n, pl.col(NUMBERS).fill_null(0.0), *(f"{name} off" for name in NUMBERS)
    )


def distance(left: str, right: str) -> pl.Expr:
    """How far two columns are apart: 0 where neither gives a number, infinite where one does."""
    import polars as pl

    apart = (pl.col(left) - pl.col(right)).abs()
    given = pl.col(left).is_not_null().cast(pl.Int8) + pl.col(right).is_not_null().cast(pl.Int8)
    sided = pl.when(given == 1).then(float("inf")).otherwise(0.0)
    return pl.when(given == 2).then(apart).otherwise(sided).alias(f"{left} off")
