"""The shape every table must have, measured from its declaration: types, keys, nulls, parents.

Nothing here is written twice: columns, types, keys and parents come from ``tables.py``. The values
are judged by ``checks.suites.shape``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from checks.subject import Subject, Values
from mitt_assets.tables import Table

if TYPE_CHECKING:
    import polars as pl

WITNESSES = 5
"""Ids that are named for a group of failing rows."""


def shape_values(subject: Subject, table: Table) -> Values:
    """One row per column declared or found, and one for the table as a whole.

    Nulls, keys and parents are counted only where every column is as declared.
    """
    import polars as pl

    declared = {name: str(kind) for name, kind in table.schema().items()}
    found = {name: str(kind) for name, kind in subject.frame.schema.items()}
    names = list(dict.fromkeys([*declared, *found]))
    counts = _counts(subject, table) if declared == found else {}
    rows = [_whole(subject.frame, table, counted=bool(counts))]
    rows += [
        {
            "column": name,
            "declared": declared.get(name, "none"),
            "found": found.get(name, "none"),
            "rows": subject.frame.height,
            "repeated keys": 0,
            **counts.get(name, {"nulls": 0, "empty": 0, "unknown parents": 0, "witness": ""}),
        }
        for name in names
    ]
    return Values(pl.DataFrame(rows), ("column", "witness"))


def _whole(frame: pl.DataFrame, table: Table, counted: bool) -> dict[str, str | int]:
    """The row of the table as a whole: its rows, and how many repeat a key."""
    import polars as pl

    repeated = frame.filter(pl.struct(table.key).is_duplicated()) if counted else frame.head(0)
    return {
        "column": "(the table)",
        "declared": "table",
        "found": "table",
        "rows": frame.height,
        "repeated keys": repeated.height,
        "nulls": 0,
        "empty": 0,
        "unknown parents": 0,
        "witness": witness(repeated, table.key) if counted else "",
    }


def _counts(subject: Subject, table: Table) -> dict[str, dict[str, str | int]]:
    """Per column: missing values, whether all are, and values no parent has."""
    frame = subject.frame
    return {
        column.name: {
            "nulls": 0 if column.nullable else frame[column.name].null_count(),
            "empty": int(
                not column.nullable
                and frame.height > 0
                and frame[column.name].null_count() == frame.height
            ),
            "unknown parents": lost.height,
            "witness": witness(lost if lost.height else _nulls(frame, column.name), table.key),
        }
        for column in table.columns
        for lost in [_orphans(subject, frame, column.name, column.parent)]
    }


def witness(rows: pl.DataFrame, key: tuple[str, ...]) -> str:
    """The ids of the first few rows, as one text; a key's parts are joined by ``/``."""
    some = rows.select(key).head(WITNESSES).iter_rows()
    return ", ".join("/".join(str(part) for part in row) for row in some)


def _nulls(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    return frame.filter(frame[column].is_null())


def _orphans(
    subject: Subject, frame: pl.DataFrame, column: str, parent: str | None
) -> pl.DataFrame:
    """Rows whose value is not among the parents'; none where no parent has such a column."""
    import polars as pl

    known = list(_parent_values(subject, column, parent))
    if not known:
        return frame.head(0)
    values = pl.concat(known).unique()
    return frame.filter(~pl.col(column).is_in(values.implode()))


def _parent_values(subject: Subject, column: str, parent: str | None) -> Iterator[pl.Series]:
    """The parent column in every direct parent that is of that table, or that has the column."""
    if parent is None:
        return
    table, _, name = parent.partition(".")
    held = {key: record for key, record in subject.parents.items() if _has_table(subject, key[0])}
    direct = [key for key in held if key[0].rpartition("/")[2] == table]
    for key in direct or held:
        frame = subject.store.table(held[key])
        wanted = name if key in direct else column
        if wanted in frame.columns:
            yield frame[wanted]


def _has_table(subject: Subject, asset: str) -> bool:
    return subject.graph.step(asset).table is not None
