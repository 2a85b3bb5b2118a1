"""Rows walked back to the rows they came from, by the columns that point to a parent.

Only some rows are walked at every step, and the rest counted: a number may rest on a million.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mitt_assets.lineage.canonical import JSON
from mitt_assets.lineage.rows import Reader, Relation, declared, relation, row_digest
from mitt_assets.lineage.statement import Record, label
from mitt_assets.lineage.walk import inputs_of
from mitt_assets.partitions import LANGUAGE_MODEL, parse

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class TracedRow:
    """A row, its digest, and the rows it came from; `more` counts those that are not shown."""

    partition: str
    statement: str
    key: Mapping[str, JSON]
    values: Mapping[str, JSON]
    digest: str
    parents: tuple[TracedRow, ...]
    more: int


@dataclass(frozen=True)
class Rows:
    """Rows of one asset: how many there are, and the first of them."""

    asset: str
    total: int
    shown: tuple[TracedRow, ...]


def selected(
    reader: Reader, asset: str, records: Sequence[Record], filter_: str, most: int
) -> Rows:
    """The rows of one asset's records that an estimate's filter selects, the first walked back."""
    from mitt_assets.method.estimates.selection import select_rows

    table = declared(asset)
    filtered = [name for name in json.loads(filter_) if name in table.names]
    used = dict.fromkeys((*table.key, *filtered))
    shown: list[TracedRow] = []
    total = 0
    for one in records:
        found = select_rows(_with_place(reader.columns(one, used), one), filter_)
        total += found.height
        first = found.select(table.key).head(most - len(shown))
        if not first.is_empty():
            shown += _walked(reader, one, reader.rows(one, table.key, first), most)
    return Rows(asset, total, tuple(shown))


def _with_place(frame: pl.DataFrame, record: Record) -> pl.DataFrame:
    """With the language, model and variant that filters speak of."""
    import polars as pl

    place = {
        **parse(LANGUAGE_MODEL, record.partition),
        "variant": record.asset.rpartition("/")[0],
    }
    return frame.with_columns(**{name: pl.lit(value) for name, value in place.items()})


def whole(reader: Reader, record: Record, most: int) -> Rows:
    """All rows of a partition, the first of them walked back."""
    table = declared(record.asset)
    keys = reader.columns(record, table.key)
    first = reader.rows(record, table.key, keys.head(most))
    place = label(record.asset, record.partition)
    return Rows(place, keys.height, tuple(_walked(reader, record, first, most)))


def _walked(reader: Reader, record: Record, frame: pl.DataFrame, most: int) -> list[TracedRow]:
    """Rows of one record with the rows they came from, and so on to the first."""
    table = declared(record.asset)
    rows = frame.rows(named=True)
    parents: list[list[TracedRow]] = [[] for _ in rows]
    more = [0] * len(rows)
    for parent in inputs_of(reader.store, record):
        tie = relation(record.asset, parent.asset)
        if tie is not None and rows:
            above = _above(reader, parent, tie, frame, most)
            for number, row in enumerate(rows):
                known, count = above.get(tuple(row[name] for name in tie.child), ([], 0))
                parents[number] += known
                more[number] += count - len(known)
    return [
        TracedRow(
            partition=label(record.asset, record.partition),
            statement=record.statement,
            key={name: row[name] for name in table.key},
            values=row,
            digest=row_digest(row),
            parents=tuple(parents[number]),
            more=more[number],
        )
        for number, row in enumerate(rows)
    ]


def _above(
    reader: Reader, parent: Record, tie: Relation, frame: pl.DataFrame, most: int
) -> dict[tuple[Any, ...], tuple[list[TracedRow], int]]:
    """By the values that tie them: the first parent rows, walked back, and how many there are."""
    found = reader.rows(parent, tie.parent, frame.select(tie.child))
    counts = dict((row[:-1], row[-1]) for row in found.group_by(tie.parent).len("n").iter_rows())
    first = found.group_by(tie.parent, maintain_order=True).head(most).select(found.columns)
    above: dict[tuple[Any, ...], tuple[list[TracedRow], int]] = {}
    for row in _walked(reader, parent, first, most):
        place = tuple(row.values[name] for name in tie.parent)
        above.setdefault(place, ([], counts[place]))[0].append(row)
    return above
