"""From an estimate's filter back to its rows.

A filter is JSON: column to value. A value selects equal rows, a list any of its members, ``{"max":
n}`` rows up to n, ``{"not": v}`` all others. The reserved key ``last_of`` then keeps one reading
per trace: the last by waits and budget, and of several there the kind listed last. That is the rule
by which a trace that has ended still has an answer at every later budget.
"""

from __future__ import annotations

import json
from typing import Any

import polars as pl

LAST_OF = "last_of"

Value = str | int | float | bool | list[str] | dict[str, Any]


def filter_text(columns: dict[str, Value]) -> str:
    """A filter as it is stored in an estimate."""
    return json.dumps(columns, sort_keys=True, ensure_ascii=False)


def select_rows(frame: pl.DataFrame, filter_: str) -> pl.DataFrame:
    """The rows an estimate uses, of its source asset with language, model and variant."""
    columns = json.loads(filter_)
    last_of = columns.pop(LAST_OF, None)
    for column, value in columns.items():
        frame = frame.filter(_matches(column, value))
    if last_of is None:
        return frame
    rank = {kind: number for number, kind in enumerate(columns["kind"])}
    order = pl.col("kind").replace_strict(rank, return_dtype=pl.Int64)
    ordered = frame.sort("waits", "budget", order)
    return ordered.group_by(last_of, maintain_order=True).last()


def _matches(column: str, value: Value) -> pl.Expr:
    match value:
        case {"max": limit}:
            return pl.col(column) <= limit
        case {"not": other}:
            return pl.col(column) != other
        case list():
            return pl.col(column).is_in(value)
        case _:
            return pl.col(column).eq(value)
