"""Ten rows a person can read: foreign texts made plain and cut, lists left out, ids shortened."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mitt_assets.reporting.wording import plain
from mitt_assets.tables import Column, Table

if TYPE_CHECKING:
    import polars as pl

ROWS = 10
WIDTHS = (80, 50, 30, 16)
"""Characters kept of a text: the first width at which the rows are small enough."""
BYTES = 3_000
"""Of the rows as JSON: they are kept in the event log for every partition."""
UNREAD = ("filter", "source", "source_row", "duplicate_key", "seed")
"""Columns that are read by programs, or are the same in every row."""
ID_LENGTH = 8
LISTS = ("tokens", "positions", "vector")


def some_rows(table: Table, frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows spread evenly over ``frame``, small enough to be kept with a run."""
    count = min(ROWS, frame.height)
    chosen = frame.select(name.name for name in _columns(table))
    rows = [chosen.row(i * frame.height // count, named=True) for i in range(count)]
    for width in WIDTHS:
        shown = [{name: _cell(name, value, width) for name, value in row.items()} for row in rows]
        if len(json.dumps(shown)) <= BYTES:
            return shown
    return shown[: ROWS // 4]


def _columns(table: Table) -> list[Column]:
    """The columns of plain values; of the ids, only the first one that names the row."""
    own = table.key[0]
    return [
        column
        for column in table.columns
        if column.type not in LISTS
        and column.name not in UNREAD
        and (column.name == own or not column.name.endswith("_id"))
    ]


def _cell(name: str, value: Any, width: int) -> Any:
    """A value as a table of the web interface takes it: a number, a truth value or plain text."""
    if isinstance(value, float):
        return float(f"{value:.4g}") if value == value and abs(value) < 1e300 else str(value)
    if value is None or isinstance(value, bool | int):
        return "" if value is None else value
    text = plain(str(value)[: 4 * width]).replace("\n", " ")
    kept = ID_LENGTH if name.endswith("_id") else width
    return text if len(text) <= kept else f"{text[:kept]}…"
