"""From a number of a report back to what made it: rows, weights, training sequences, code, seeds.

Two ways back are told. Rows lead to rows by the columns that point to a parent; partitions lead to
partitions by the digest of the statement they were made from. Neither looks at what is current now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from mitt_assets.lineage.canonical import JSON
from mitt_assets.lineage.numbers import find_number, report_record
from mitt_assets.lineage.recompute import (
    READS,
    Difference,
    Pair,
    named_pairs,
    parent_of,
    recompute_report,
    recompute_row,
    usable_pairs,
)
from mitt_assets.lineage.row_walk import Rows, selected, whole
from mitt_assets.lineage.rows import Reader, table_of
from mitt_assets.lineage.statement import Record, label
from mitt_assets.lineage.walk import inputs_of, is_current, upstream
from mitt_assets.lineage.weights import WeightFile, weight_files

if TYPE_CHECKING:
    from mitt_assets.lineage.store import Store
    from mitt_assets.materialise import Maker

__all__ = ["Difference", "Trace", "recompute_report", "trace_number"]


@dataclass(frozen=True)
class Partition:
    """A partition on the way: its record, and whether it still holds what it held then."""

    record: Record
    current: bool

    @property
    def name(self) -> str:
        """Asset and partition."""
        return label(self.record.asset, self.record.partition)


@dataclass(frozen=True)
class Trace:
    """One number and all that made it; `partitions` begin with the report and end with sources."""

    report: Record
    row: int
    estimate: Mapping[str, JSON]
    differences: tuple[Difference, ...]
    rows: tuple[Rows, ...]
    weights: tuple[WeightFile, ...]
    training: tuple[Rows, ...]
    partitions: tuple[Partition, ...]

    @property
    def title(self) -> str:
        """The number as a line: what is estimated, of what."""
        named = ("measure", "model", "variant", "language", "curve", "axis")
        said = " · ".join(str(self.estimate[one]) for one in named if self.estimate[one])
        x = self.estimate["x"]
        return said if x is None else f"{said} {x:.12g}"

    def plain(self) -> dict[str, JSON]:
        """As JSON values."""
        return {
            "report": label(self.report.asset, self.report.partition),
            "row": self.row,
            "estimate": dict(self.estimate),
            "recomputed": not self.differences,
            "differences": [asdict(one) for one in self.differences],
            "rows": [asdict(one) for one in self.rows],
            "weights": [asdict(one) for one in self.weights],
            "training": [asdict(one) for one in self.training],
            "partitions": [_plain_partition(one) for one in self.partitions],
        }


def trace_number(maker: Maker, report: str, where: Mapping[str, str], most: int) -> Trace:
    """Walk one number back, showing at most `most` rows at every step.

    Raises StudyError if the report or the number is not there, and IntegrityError for damage.
    """
    store, reader = maker.store, Reader(maker.store)
    record = report_record(maker, report)
    frame = store.table(record)
    row = find_number(frame, where, record.asset)
    estimate = frame.row(row, named=True)
    pairs = sorted(named_pairs(estimate) & usable_pairs(store, record))
    behind = upstream(store, _read_by(store, record, pairs))
    adapters = [one for one in behind if table_of(one.asset) is None and one.dependencies]
    return Trace(
        report=record,
        row=row,
        estimate=estimate,
        differences=tuple(recompute_row(maker, reader, record, row)),
        rows=tuple(
            selected(reader, asset, _records(store, record, asset, pairs), estimate["filter"], most)
            for asset in estimate["source"].split(",")
        ),
        weights=tuple(file for one in behind for file in weight_files(store, one)),
        training=tuple(
            whole(reader, set_, most) for one in adapters for set_ in _sequences(store, one)
        ),
        partitions=tuple(
            Partition(one, is_current(store, one)) for one in [record, *reversed(behind)]
        ),
    )


def _read_by(store: Store, record: Record, pairs: Iterable[Pair]) -> list[Record]:
    """The tables a number was estimated from."""
    tables = READS[record.asset.rpartition("/")[2]]
    return [
        parent_of(store, record, f"{variant}/{table}", partition)
        for variant, partition in pairs
        for table in tables
    ]


def _records(store: Store, record: Record, asset: str, pairs: Iterable[Pair]) -> list[Record]:
    """The partitions of one asset that a number was estimated from."""
    return [
        parent_of(store, record, asset, partition)
        for variant, partition in pairs
        if asset.startswith(f"{variant}/")
    ]


def _sequences(store: Store, adapter: Record) -> list[Record]:
    """The training sets an adapter was tuned on."""
    return [one for one in inputs_of(store, adapter) if table_of(one.asset) is not None]


def _plain_partition(one: Partition) -> dict[str, JSON]:
    """A partition's record as JSON values; inputs by statement are the edges of the graph."""
    record = one.record
    return {
        "asset": record.asset,
        "partition": record.partition,
        "content": record.content,
        "statement": record.statement,
        "current": one.current,
        "code": dict(record.code),
        "seeds": dict(record.seeds),
        "parameters": dict(record.parameters),
        "settings": dict(record.study_slice),
        "materials": dict(record.materials),
        "files": dict(record.files),
        "inputs": [asdict(one) for one in record.dependencies],
        "overrides": list(record.overrides),
        "run": record.run_id,
        "started": record.started,
        "ended": record.ended,
        "environment": dict(record.environment),
    }
