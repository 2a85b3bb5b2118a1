"""The numbers of a report made again, from the rows of the partitions its statement names.

What is read is what the report read, whatever is current now; the settings are those its statement
holds. Only the columns an estimate uses are read: a million windows weigh a few megabytes, their
traces' tokens far more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from mitt_assets import partitions
from mitt_assets.errors import DataError, StudyError
from mitt_assets.lineage.rows import Reader
from mitt_assets.lineage.statement import Record, label
from mitt_assets.lineage.store import TABLE, Store
from mitt_assets.partitions import LANGUAGE_MODEL
from mitt_assets.study import Study

if TYPE_CHECKING:
    import polars as pl

    from mitt_assets.materialise import Maker

_PROBES = ("trace_id", "kind", "waits", "budget", "correct")
_ENDS = ("think_tokens", "think_ends")
_TEXT = ("text", "offsets")
_TRACE = ("trace_id", "problem_id")
_SIMILARITIES = ("within", "to_english", "within_rolling", "to_english_rolling")

READS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "scaling": {"probes": _PROBES, "traces": (*_TRACE, *_ENDS, *_TEXT)},
    "variant_effects": {
        "probes": _PROBES,
        "windows": ("trace_id", "window", "label"),
        "traces": (*_TRACE, *_ENDS),
    },
    "drift": {
        "windows": ("trace_id", "window", "label", "raw_label", "segment"),
        "traces": _TRACE,
    },
    "consistency": {
        "consistency": ("problem_id", "unit", "segment", *_SIMILARITIES),
        "windows": ("trace_id", "window", "label"),
        "probes": _PROBES,
        "traces": (*_TRACE, "sample", *_ENDS),
    },
    "tokens": {"traces": (*_TRACE, *_ENDS, *_TEXT, "finish_reason")},
}
"""Per report, the tables its estimates take, in the order they take them, and of each the columns
they use; language, model and variant are added."""

KEY = ("measure", "model", "variant", "language", "curve", "axis", "x")
COMPARED = ("estimate", "low", "high", "problems", "rows", "source", "filter")
NOT_STORED = -1
"""The row of a difference that no stored row has: a number that is made and was not."""

Pair = tuple[str, str]
"""A variant and a partition `language|model`."""


@dataclass(frozen=True)
class Difference:
    """A stored number that its rows do not give: which row and column of the report, and both."""

    row: int
    column: str
    stored: str
    computed: str


def is_recomputable(record: Record) -> bool:
    """Whether a record is a table of estimates that `recompute_report` can make again."""
    return record.asset.startswith("reports/") and _name(record) in READS


def recompute_report(maker: Maker, record: Record) -> list[Difference]:
    """Every number of a report made again from the rows its statement names; empty if all agree.

    Numbers are compared exactly. Raises DataError for a record that is no report of estimates, and
    IntegrityError for damaged bytes.
    """
    stored = maker.store.table(record).with_row_index("row")
    pairs = usable_pairs(maker.store, record)
    study = study_of(record, maker.graph.study)
    return _differences(stored, estimates_again(Reader(maker.store), study, record, pairs))


def recompute_row(maker: Maker, reader: Reader, record: Record, row: int) -> list[Difference]:
    """One number of a report made again, reading only the partitions its filter names.

    The interval also rests on how many problems there are in all; where the number's own
    partitions do not have every one of them, everything is read.
    """
    stored = maker.store.table(record).with_row_index("row")[row : row + 1]
    usable = usable_pairs(maker.store, record)
    own = named_pairs(stored.row(0, named=True)) & usable
    chosen = own if _all_problems(reader, record, own, usable) else usable
    study = study_of(record, maker.graph.study)
    made = estimates_again(reader, study, record, chosen)
    same = stored.select(KEY).join(made, on=KEY, how="inner", nulls_equal=True)
    return _differences(stored, same)


def named_pairs(estimate: Mapping[str, Any]) -> set[Pair]:
    """The variant and partition pairs that an estimate's filter names."""
    chosen = json.loads(estimate["filter"])
    return {
        (variant, f"{language}|{model}")
        for variant in _listed(chosen["variant"])
        for language in _listed(chosen["language"])
        for model in _listed(chosen["model"])
    }


def usable_pairs(store: Store, record: Record) -> set[Pair]:
    """Pairs whose tables the report read all, and all made from the traces it read."""
    found: dict[Pair, dict[str, Record]] = {}
    for one in record.dependencies:
        variant, _, table = one.asset.rpartition("/")
        parent = store.statement_record(one.statement)
        found.setdefault((variant, str(one.partition)), {})[table] = parent
    wanted = _reads(record).keys()
    return {
        pair
        for pair, tables in found.items()
        if wanted <= tables.keys()
        and all(tables[name].rests_on(tables["traces"]) for name in wanted)
    }


def study_of(record: Record, study: Study) -> Study:
    """The study with the settings a record was made under, as far as its statement holds them.

    Raises StudyError if the present program no longer accepts them.
    """
    raw = study.model_dump(mode="json")
    for path, value in record.study_slice.items():
        *parents, last = path.split(".")
        place: Any = raw
        for name in parents:
            place = place.get(name) if isinstance(place, dict) else None
        if isinstance(place, dict) and last in place:
            place[last] = value
    try:
        return Study.model_validate(raw)
    except ValidationError as error:
        raise StudyError(
            f"{label(record.asset, record.partition)} was made under settings that this program"
            f" does not accept, so it cannot be made again: {error}"
        ) from error


def estimates_again(
    reader: Reader, study: Study, record: Record, pairs: Collection[Pair]
) -> pl.DataFrame:
    """A report's estimates over these pairs of what it read, under a study's settings."""
    import polars as pl

    from mitt_assets.tables import ESTIMATES, empty

    if not pairs:
        return empty(ESTIMATES)
    name = _name(record)
    estimate: Callable[..., pl.DataFrame] = getattr(
        import_module(f"mitt_assets.method.estimates.{name}"), name
    )
    frames = [
        pl.concat(_table(reader, record, pair, table) for pair in _ordered(study, pairs))
        for table in _reads(record)
    ]
    return estimate(*frames, study)


def _table(reader: Reader, record: Record, pair: Pair, table: str) -> pl.DataFrame:
    """One table of a pair, with its language, model and variant."""
    import polars as pl

    variant, partition = pair
    parent = parent_of(reader.store, record, f"{variant}/{table}", partition)
    named = {**partitions.parse(LANGUAGE_MODEL, partition), "variant": variant}
    frame = reader.columns(parent, _reads(record)[table])
    return frame.with_columns(**{name: pl.lit(value) for name, value in named.items()})


def _ordered(study: Study, pairs: Collection[Pair]) -> list[Pair]:
    """Pairs in the study's order, those it no longer declares last: sums repeat to the last bit."""
    declared = [
        (variant, str(key))
        for variant in study.variants
        for key in partitions.keys(study, LANGUAGE_MODEL)
    ]
    return [one for one in declared if one in pairs] + sorted(set(pairs).difference(declared))


def _all_problems(
    reader: Reader, record: Record, own: Collection[Pair], usable: Collection[Pair]
) -> bool:
    """Whether the traces of `own` have every problem that those of `usable` have."""
    others = {
        parent.content: parent
        for variant, partition in set(usable) - set(own)
        for parent in [parent_of(reader.store, record, f"{variant}/traces", partition)]
    }
    traces = [parent_of(reader.store, record, f"{pair[0]}/traces", pair[1]) for pair in own]
    known = {id_ for one in traces for id_ in reader.columns(one, ("problem_id",))["problem_id"]}
    return bool(own) and all(
        known.issuperset(_problems(reader.store, parent)) for parent in others.values()
    )


def _problems(store: Store, traces: Record) -> Collection[str]:
    """Ids of problems, read unverified where that is quicker: they decide what is read, no more."""
    import polars as pl

    local = store.storage.local_path(traces.files[TABLE])
    source = local or BytesIO(store.read(traces, TABLE))
    return pl.read_parquet(source, columns=["problem_id"], glob=False)["problem_id"].unique()


def parent_of(store: Store, record: Record, asset: str, partition: str) -> Record:
    """One input of a record. Raises DataError if its statement names no such input."""
    for one in record.dependencies:
        if (one.asset, one.partition) == (asset, partition):
            return store.statement_record(one.statement)
    raise DataError(
        f"{label(record.asset, record.partition)} names no input {label(asset, partition)};"
        " make the report again."
    )


def _differences(stored: pl.DataFrame, made: pl.DataFrame) -> list[Difference]:
    """What differs, row by row of the stored table; rows of one side only are told once."""
    import polars as pl

    left = stored.select("row", *KEY, *COMPARED, pl.lit(True).alias("stored"))
    right = made.select(*KEY, *COMPARED, pl.lit(True).alias("made"))
    joined = left.join(
        right, on=KEY, how="full", coalesce=True, nulls_equal=True, suffix=" made"
    ).sort("row", nulls_last=True, maintain_order=True)
    found: list[Difference] = []
    for row in joined.iter_rows(named=True):
        number = NOT_STORED if row["row"] is None else int(row["row"])
        if row["stored"] and row["made"]:
            found += _unequal(number, row)
        else:
            side = str({name: row[name] for name in KEY})
            there, absent = (side, "nothing") if row["stored"] else ("nothing", side)
            found.append(Difference(number, "estimate", there, absent))
    return found


def _unequal(number: int, row: Mapping[str, Any]) -> list[Difference]:
    return [
        Difference(number, name, repr(row[name]), repr(row[f"{name} made"]))
        for name in COMPARED
        if _plain(name, row[name]) != _plain(name, row[f"{name} made"])
    ]


def _plain(name: str, value: Any) -> Any:
    """A value as it is compared: a filter whatever the order of the members it lists."""
    if name != "filter":
        return value
    chosen = json.loads(value)
    return {k: sorted(v) if isinstance(v, list) else v for k, v in chosen.items()}


def _reads(record: Record) -> Mapping[str, tuple[str, ...]]:
    if not is_recomputable(record):
        raise DataError(
            f"{label(record.asset, record.partition)} is no report of estimates; those are"
            f" {', '.join(f'reports/{name}' for name in READS)}."
        )
    return READS[_name(record)]


def _name(record: Record) -> str:
    return record.asset.rpartition("/")[2]


def _listed(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]
