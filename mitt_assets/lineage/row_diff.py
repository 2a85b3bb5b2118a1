"""How many rows of a table were added, removed or changed, by the table's declared key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mitt_assets.lineage.rows import table_of
from mitt_assets.tables import ESTIMATES

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class RowDifference:
    """Rows of one side only, rows whose key is on both with other values, and their columns."""

    added: int
    removed: int
    changed: int
    columns: tuple[str, ...]


def compare_rows(asset: str, before: pl.DataFrame, after: pl.DataFrame) -> RowDifference:
    """Compare two tables of an asset; equal values are equal whatever the order of the rows.

    Where the key is not in both, or not unique, whole rows are counted as added and removed.
    """
    table = table_of(asset) or (ESTIMATES if asset.startswith("reports/") else None)
    key = list(table.key) if table is not None else []
    keyed = bool(key) and all(_unique(frame, key) for frame in (before, after))
    if not keyed:
        return RowDifference(after.height, before.height, 0, ())
    shared = [name for name in before.columns if name in after.columns and name not in key]
    differs = _differing(before.select(*key, *shared), after.select(*key, *shared), key, shared)
    one_side = sorted(set(before.columns) ^ set(after.columns))
    changed = [name for name in shared if differs[name].any()]
    return RowDifference(
        added=after.join(before, on=key, how="anti", nulls_equal=True).height,
        removed=before.join(after, on=key, how="anti", nulls_equal=True).height,
        changed=sum(any(row) for row in differs.iter_rows()),
        columns=(*changed, *one_side),
    )


def _unique(frame: pl.DataFrame, key: list[str]) -> bool:
    return set(key) <= set(frame.columns) and not frame.select(key).is_duplicated().any()


def _differing(
    before: pl.DataFrame, after: pl.DataFrame, key: list[str], shared: list[str]
) -> pl.DataFrame:
    """A row per key on both sides, a flag per shared column: whether its values differ."""
    import polars as pl

    both = before.join(after, on=key, how="inner", suffix=" after", nulls_equal=True)
    return both.select(
        pl.lit(True).alias(name)
        if before.schema[name] != after.schema[name]
        else pl.col(name).ne_missing(pl.col(f"{name} after"))
        for name in shared
    )
