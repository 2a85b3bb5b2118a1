"""Every number of a report is what its parents give, of all partitions there are and no other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from checks.subject import Subject, Values
from checks.suites.consistency import distance
from checks.suites.rules import among, at_least, between, equal, rows, suite
from mitt_assets import partitions
from mitt_assets.lineage.recompute import Pair, estimates_again, usable_pairs
from mitt_assets.lineage.rows import Reader
from mitt_assets.method.estimates.panel import ALL
from mitt_assets.method.estimates.selection import LAST_OF
from mitt_assets.partitions import LANGUAGE_MODEL

if TYPE_CHECKING:
    import polars as pl
    from great_expectations import ExpectationSuite

SETTINGS = (
    "statistics",
    "languages",
    "models",
    "variants",
    "generation.budget",
    "generation.waits",
    "probes.stride",
    "windows.segments",
)
CODE = (
    "checks.suites.rules",
    "checks.suites.consistency",
    "mitt_assets.method.statistics",
    "mitt_assets.method.estimates",
    "mitt_assets.lineage.recompute",
    "mitt_assets.lineage.rows",
)

GROUP = ("measure", "model", "variant", "language", "curve", "axis")
NUMBERS = ("estimate", "low", "high")
OFF = 1e-9
"""Estimates are kept to 12 decimals; libraries of linear algebra differ in the last bits."""
EXACT = ("problems", "rows", "source", "filter")
SHARE, DIFFERENCE, POSITIVE, ANY = (0.0, 1.0), (-1.0, 1.0), (0.0, 1e300), (-1e300, 1e300)
RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(
        (
            "accuracy",
            "accuracy_end",
            "control",
            "performance",
            "ended_share",
            "fidelity",
            "initial_fidelity",
            "initial_agreement",
        ),
        SHARE,
    ),
    **{
        f"{scope}{raw}{kind}_share": SHARE
        for scope in ("", "initial_")
        for raw in ("", "raw_")
        for kind in ("prompt", "reference", "other", "undetermined")
    },
    **dict.fromkeys(
        (
            "wait_effect",
            "gain",
            "gap_to_reference",
            "effect",
            "fidelity_effect",
            "initial_fidelity_effect",
            "artefact",
            "initial_artefact",
            "within",
            "to_english",
            "within_rolling",
            "to_english_rolling",
            "initial_within",
            "initial_to_english",
            "fleiss_kappa",
        ),
        DIFFERENCE,
    ),
    **dict.fromkeys(
        ("thinking_tokens", "thinking_characters", "thinking_steps", "tokens_to_reference"),
        POSITIVE,
    ),
    "relative_gain": (-1.0, 1e300),
    "scaling": ANY,
}
"""Where a measure's estimates can lie."""
BIASED = ("performance",)
"""The best of several accuracies is higher in most resamples than in the data, so an interval of
percentiles may lie above the estimate."""


def measure(subject: Subject) -> dict[str, Values]:
    """Every estimate beside the one made again, and which partitions they rest on."""
    usable = _usable(subject)
    reader = Reader(subject.store)
    again = estimates_again(reader, subject.study, subject.record, usable)
    ids = (*GROUP, "at")
    return {
        "estimates": Values(_beside(subject.frame, again), ids),
        "ranges": Values(_ranges(subject.frame), ids),
        "sums": Values(_sums(subject.frame, subject.study.statistics.reference), ids),
        "sources": Values(_sources(subject), ("measure", "source", "filter")),
        "partitions": Values(_partitions(subject, usable), ("variant", "partition")),
    }


def suites(subject: Subject) -> dict[str, ExpectationSuite]:
    """Numbers that are made again, lie where they can, and add up."""
    beside = [
        equal("stored", "made", "the estimates are those that the parents give, no more, no less"),
        *(between(f"{one} off", 0, OFF, f"{one} is what the parents give") for one in NUMBERS),
        *(equal(one, f"{one} made", f"{one} is what the parents give") for one in EXACT),
    ]
    return {
        "estimates": suite("estimates", rows("estimates were compared"), *beside),
        "ranges": suite(
            "ranges",
            rows("estimates were measured"),
            among("known measure", [*RANGES], "every measure is one the suite knows"),
            at_least("middle", "least", "an interval begins at or below its estimate"),
            at_least("most", "middle", "an interval ends at or above its estimate"),
            at_least("smallest", "bottom", "no number is below what its measure can be"),
            at_least("top", "largest", "no number is above what its measure can be"),
            between("problems", 0, None, "an estimate rests on some number of problems"),
            at_least("rows", "problems", "an estimate rests on a row of each problem"),
        ),
        "sums": suite(
            "sums",
            # Where one language is left there are none; "estimates" knows which there must be.
            rows("sums were measured", 0),
            equal("rows of all", "sum", "rows of all languages are the sum over languages"),
            at_least("problems of all", "problems", "all languages have each language's problems"),
        ),
        "sources": suite(
            "sources",
            rows("sources were measured"),
            between("filter keys", 1, None, "a filter is a JSON object that selects something"),
            between("unknown columns", 0, 0, "a filter names columns of its source"),
            between("unknown sources", 0, 0, "a source is an asset that the report read"),
        ),
        "partitions": suite(
            "partitions",
            rows("partitions were measured"),
            equal(
                "there", "complete", "a partition is estimated where its tables are, and only there"
            ),
        ),
    }


def _usable(subject: Subject) -> set[Pair]:
    """(variant, partition) pairs whose tables were all read, and made from the traces read."""
    declared = {
        (variant, str(key))
        for variant in subject.study.variants
        for key in partitions.keys(subject.study, LANGUAGE_MODEL)
    }
    return usable_pairs(subject.store, subject.record) & declared


def _keyed(frame: pl.DataFrame) -> pl.DataFrame:
    """With the place on the axis as text, so that it can name a row and be joined."""
    import polars as pl

    at = pl.col("x").round(8).cast(pl.String).fill_null("")
    return frame.with_columns(at=at)


def _beside(frame: pl.DataFrame, again: pl.DataFrame) -> pl.DataFrame:
    """Rows of either table: how far numbers are apart, and the rest side by side."""
    import polars as pl

    key = [*GROUP, "at"]
    columns = [*key, *NUMBERS, *EXACT]
    made = _keyed(again).select(*columns, pl.lit(1).alias("made"))
    stored = _keyed(frame).select(*columns, pl.lit(1).alias("stored"))
    joined = stored.join(made, on=key, how="full", coalesce=True, suffix=" made")
    both = pl.col("stored").is_not_null() & pl.col("made").is_not_null()
    far = [distance(one, f"{one} made") for one in NUMBERS]
    # A row of one table only is told once, by `stored` and `made`.
    return joined.with_columns(far).select(
        *key,
        pl.col("stored", "made").fill_null(0),
        *(pl.when(both).then(f"{one} off").otherwise(0.0).alias(f"{one} off") for one in NUMBERS),
        *(pl.coalesce(one, f"{one} made").alias(one) for one in EXACT),
        *(pl.coalesce(f"{one} made", one).alias(f"{one} made") for one in EXACT),
    )


def _ranges(frame: pl.DataFrame) -> pl.DataFrame:
    """Every estimate with its interval, and where they can lie; zeros where one is not given."""
    import polars as pl

    known = pl.all_horizontal(pl.col(NUMBERS).is_not_null())
    plain = ~pl.col("measure").is_in(BIASED)
    bounds = [
        pl.col("measure")
        .replace_strict({k: v[end] for k, v in RANGES.items()}, default=ANY[end])
        .cast(pl.Float64)
        for end in (0, 1)
    ]
    given = pl.any_horizontal(pl.col(NUMBERS).is_not_null())
    return _keyed(frame).select(
        *GROUP,
        "at",
        pl.col("measure").alias("known measure"),
        pl.when(known).then("estimate").otherwise(0.0).alias("middle"),
        pl.when(known & plain)
        .then("low")
        .when(known)
        .then("estimate")
        .otherwise(0.0)
        .alias("least"),
        pl.when(known).then("high").otherwise(0.0).alias("most"),
        (bounds[0] - OFF).alias("bottom"),
        (bounds[1] + OFF).alias("top"),
        pl.when(given).then(pl.min_horizontal(NUMBERS)).otherwise(bounds[0]).alias("smallest"),
        pl.when(given).then(pl.max_horizontal(NUMBERS)).otherwise(bounds[1]).alias("largest"),
        "problems",
        "rows",
    )


def _sums(frame: pl.DataFrame, reference: str) -> pl.DataFrame:
    """Where languages stand at the same place as all of them: rows added up, most problems."""
    import polars as pl

    # For the reference language nothing is drift: there, all are the others.
    drifts = pl.col("source").str.ends_with("/windows") & pl.col("measure").str.contains(
        "_share$|artefact$"
    )
    # On the other axes every language has places of its own.
    shared = pl.col("axis").is_in(["", "tokens", "segment"])
    keyed = _keyed(frame).filter(shared & ~(drifts & (pl.col("language") == reference)))
    place = [*(one for one in GROUP if one != "language"), "at"]
    single = keyed.filter(pl.col("language") != ALL)
    added = single.group_by(place).agg(pl.col("rows").sum().alias("sum"), pl.col("problems").max())
    whole = keyed.filter(pl.col("language") == ALL).select(
        *place,
        "language",
        pl.col("rows").alias("rows of all"),
        pl.col("problems").alias("problems of all"),
    )
    return whole.join(added, on=place, how="inner")


def _sources(subject: Subject) -> pl.DataFrame:
    """Every source and filter once: what they name, and what of it is not there."""
    import polars as pl

    pairs = subject.frame.group_by("source", "filter", maintain_order=True).agg(
        pl.col("measure").first()
    )
    read = {asset for asset, _ in subject.parents}
    measured = []
    for row in pairs.iter_rows(named=True):
        assets = row["source"].split(",")
        columns = _columns(subject, assets)
        keys = _keys(row["filter"])
        measured.append(
            {
                **row,
                "filter keys": len(keys),
                "unknown columns": len(keys - columns),
                "unknown sources": sum(one not in read for one in assets),
            }
        )
    return pl.DataFrame(measured)


def _columns(subject: Subject, assets: list[str]) -> set[str]:
    """Names a filter of these assets' rows may use."""
    from mitt_assets.tables import TABLES as DECLARED

    columns = {LAST_OF, "language", "model", "variant"}
    for asset in assets:
        step = subject.graph.steps.get(asset)
        columns |= set(DECLARED[step.table].names) if step and step.table else set()
    return columns


def _keys(text: str) -> set[str]:
    """The keys of a JSON object; none if the text is no such thing."""
    try:
        found = json.loads(text)
    except ValueError:
        return set()
    return set(found) if isinstance(found, Mapping) else set()


def _partitions(subject: Subject, usable: set[Pair]) -> pl.DataFrame:
    """Per variant, language and model: whether its tables are there, and whether it is estimated.

    What is estimated without being declared by the study has a row as well.
    """
    import polars as pl

    frame = subject.frame.filter(
        pl.col("language") != ALL, ~pl.col("source").str.contains(",", literal=True)
    )
    seen = frame.select("variant", "language", "model").unique()
    there = {(variant, f"{language}|{model}") for variant, language, model in seen.iter_rows()}
    every = {
        (variant, str(key))
        for variant in subject.study.variants
        for key in partitions.keys(subject.study, LANGUAGE_MODEL)
    }
    return pl.DataFrame(
        [
            {
                "variant": pair[0],
                "partition": pair[1],
                "there": int(pair in there),
                "complete": int(pair in usable),
            }
            for pair in sorted(every | there)
        ]
    )
