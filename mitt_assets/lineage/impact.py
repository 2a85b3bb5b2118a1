"""Everything that rests on a problem, a translation, a trace, a model or a training sequence.

The walk begins at what is current and at all it was made from, by statement; `descent.py` follows
rows down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mitt_assets.errors import MissingInputError, StudyError
from mitt_assets.lineage.canonical import JSON
from mitt_assets.lineage.descent import Descent
from mitt_assets.lineage.moved import filter_columns
from mitt_assets.lineage.rows import Reader, table_of
from mitt_assets.lineage.statement import Record, label
from mitt_assets.lineage.walk import upstream

if TYPE_CHECKING:
    import polars as pl

    from mitt_assets.materialise import Maker

KINDS = {
    "problem": "problem_id",
    "translation": "translation_id",
    "trace": "trace_id",
    "model": "",
    "sequence": "sequence_id",
}
"""What an impact can begin at, and the column that is its whole key; a model is a partition."""
_MODEL = "base_model"
_LEAST = 4
"""Characters of an id that may stand for all of it."""


@dataclass(frozen=True)
class Touched:
    """A partition and how many of its rows are touched; None where it holds other files.

    The rows of a report are numbers, and `numbers` has what names each, its row and estimate.
    """

    record: Record
    current: bool
    rows: int | None
    numbers: pl.DataFrame | None = None

    def plain(self) -> dict[str, JSON]:
        """As JSON values."""
        return {
            "asset": self.record.asset,
            "partition": self.record.partition,
            "content": self.record.content,
            "statement": self.record.statement,
            "current": self.current,
            "rows": self.rows,
            "numbers": [] if self.numbers is None else self.numbers.to_dicts(),
        }


@dataclass(frozen=True)
class Impact:
    """What a thing touches, itself included, inputs before what reads them."""

    kind: str
    id: str
    touched: tuple[Touched, ...]

    @property
    def adapters(self) -> list[str]:
        """The adapters that were trained on it."""
        return [
            label(one.record.asset, one.record.partition)
            for one in self.touched
            if one.record.asset.rpartition("/")[2] == "adapter"
        ]

    def plain(self) -> dict[str, JSON]:
        """As JSON values."""
        return {
            "kind": self.kind,
            "id": self.id,
            "adapters": self.adapters,
            "partitions": [one.plain() for one in self.touched],
        }


def impact_of(maker: Maker, kind: str, id_: str) -> Impact:
    """Everything downstream of one thing; `id_` may be the beginning of an id.

    Raises StudyError for an unknown kind, an id that several begin with, and MissingInputError for
    one that nothing holds.
    """
    if kind not in KINDS:
        raise StudyError(f"no kind {kind!r}; there are: {', '.join(KINDS)}")
    store = maker.store
    now = store.records()
    records = upstream(store, now)
    descent = Descent(Reader(store), filter_columns(store, records))
    whole_id = _begin(descent, records, kind, id_)
    for record in records:
        descent.visit(record)
    current = {(record.asset, record.partition): record.content for record in now}
    touched = [
        Touched(
            record=record,
            current=current.get((record.asset, record.partition)) == record.content,
            rows=descent.count(record),
            numbers=descent.numbers.get(record.statement),
        )
        for record in records
        if descent.has(record)
    ]
    return Impact(kind, whole_id, tuple(touched))


def _begin(descent: Descent, records: list[Record], kind: str, id_: str) -> str:
    """Touch what the id names, and give the whole id."""
    if kind == "model":
        return _begin_model(descent, records, id_)
    column = KINDS[kind]
    holders = [
        record
        for record in records
        if (table := table_of(record.asset)) is not None and table.key == (column,)
    ]
    found = {record.statement: _starting(descent, record, column, id_) for record in holders}
    ids = {value for frame in found.values() for value in frame[column]}
    if not ids:
        raise MissingInputError(
            f"No {kind} {id_!r} in any of {len(holders)} partitions that hold {column}; see the"
            " ids with: mitt export --format csv"
        )
    exact = {id_} & ids or ids
    if len(exact) > 1:
        raise StudyError(
            f"{len(exact)} ids of a {kind} begin with {id_!r}: {', '.join(sorted(exact)[:6])}…;"
            " give more of it"
        )
    whole = next(iter(exact))
    for record in holders:
        rows = found[record.statement]
        rows = rows.filter(rows[column] == whole)
        if not rows.is_empty():
            descent.rows[record.statement] = rows
    return whole


def _begin_model(descent: Descent, records: list[Record], slug: str) -> str:
    models = [record for record in records if record.asset == _MODEL]
    chosen = [record for record in models if record.partition == slug]
    if not chosen:
        known = sorted({str(one.partition) for one in models})
        raise StudyError(f"no model {slug!r} was used; there are: {', '.join(known) or 'none'}")
    for record in chosen:
        descent.rows[record.statement] = None
    return slug


def _starting(descent: Descent, record: Record, column: str, id_: str) -> pl.DataFrame:
    """The rows whose id is this one, or begins with it."""
    import polars as pl

    chosen = pl.col(column) == id_
    if len(id_) >= _LEAST:
        chosen = pl.col(column).str.starts_with(id_)
    return descent.frame(record, chosen)
