"""Rows: how those of one table come from those of another, and what a row holds, as one digest.

Which column points to which parent row is declared in `tables.py`. A row's digest is computed when
it is asked for, from verified bytes: a stored one could only disagree with bytes that are already
addressed by their content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mitt_assets.errors import DataError, IntegrityError
from mitt_assets.lineage import canonical
from mitt_assets.lineage.statement import Record, label
from mitt_assets.lineage.store import TABLE, Store
from mitt_assets.tables import TABLES, Table

if TYPE_CHECKING:
    import polars as pl

_ALIKE = {"training_traces": "traces"}
"""Assets whose table has another name than their last part."""
_FEW = 4
"""Runs of rows up to which slices are quicker than a filter (measured on 8,000 long traces)."""
_BESIDE = {("traces", "traces"): ("problem_id", "sample")}
"""Tables of one kind where one gives to the other: an opening given at inference is taken from the
trace of the same problem and sample."""


@dataclass(frozen=True)
class Relation:
    """Equal values in these columns, child's and parent's in the same order, tie two rows."""

    child: tuple[str, ...]
    parent: tuple[str, ...]


def table_of(asset: str) -> Table | None:
    """The declared table of an asset; None for reports, and for what holds other files."""
    name = asset.rpartition("/")[2]
    return None if asset.startswith("reports/") else TABLES.get(_ALIKE.get(name, name))


def declared(asset: str) -> Table:
    """The declared table of an asset. Raises DataError if it has none."""
    table = table_of(asset)
    if table is None:
        raise DataError(f"{asset} has no table of rows, so no row of it can be followed.")
    return table


def relation(child: str, parent: str) -> Relation | None:
    """How rows of asset `child` name those of asset `parent`, None if they do not.

    By a column that is declared to point there; else by the child's whole key, where the parent has
    it: a row that sums up several names them by what they share.
    """
    below, above = table_of(child), table_of(parent)
    if below is None or above is None:
        return None
    name = parent.rpartition("/")[2]
    for column in below.columns:
        if column.parent is not None and column.parent.partition(".")[0] == name:
            return Relation((column.name,), (column.parent.partition(".")[2],))
    beside = _BESIDE.get((below.name, above.name))
    if beside is not None:
        return Relation(beside, beside)
    return Relation(below.key, below.key) if set(below.key) <= set(above.names) else None


class Reader:
    """Tables of records by columns and rows; an object's bytes are verified at its first use."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._verified: set[str] = set()

    def columns(
        self, record: Record, columns: Collection[str], keep: pl.Expr | None = None
    ) -> pl.DataFrame:
        """Some columns of a record's table, of all rows or those to `keep`.

        Raises IntegrityError for damaged bytes.
        """
        import polars as pl

        found = pl.scan_parquet(self._source(record), glob=False)
        kept = found if keep is None else found.filter(keep)
        return kept.select(list(columns)).collect()

    def count(self, record: Record) -> int:
        """How many rows a record's table has."""
        import polars as pl

        return int(
            pl.scan_parquet(self._source(record), glob=False).select(pl.len()).collect().item()
        )

    def rows(self, record: Record, columns: tuple[str, ...], values: pl.DataFrame) -> pl.DataFrame:
        """Whole rows whose `columns` equal some row of `values`, whose columns are in that order.

        Where they lie in few places, only those places are decoded: token lists are long.
        """
        import polars as pl

        wanted = values.rename(dict(zip(values.columns, columns, strict=True))).unique()
        keys = self.columns(record, dict.fromkeys(columns)).with_row_index("place")
        places = keys.join(wanted, on=list(columns), how="semi", maintain_order="left")["place"]
        found = pl.scan_parquet(self._source(record), glob=False)
        runs = _runs(places.to_list())
        if not runs:
            return found.head(0).collect()
        if len(runs) <= _FEW:
            return pl.concat([found.slice(*run).collect() for run in runs])
        chosen = pl.int_range(pl.len()).is_in(places.cast(pl.Int64).implode())
        return found.filter(chosen).collect()

    def _source(self, record: Record) -> Path | BytesIO:
        digest = record.files.get(TABLE, "")
        local = self.store.storage.local_path(digest) if digest else None
        if local is None:
            return BytesIO(self.store.read(record, TABLE))
        if digest not in self._verified:
            try:
                self.store.storage.verify(digest)
            except IntegrityError as error:
                place = label(record.asset, record.partition)
                raise IntegrityError(f"{TABLE} of {place} is damaged. {error}") from error
            self._verified.add(digest)
        return local


def _runs(places: list[int]) -> list[tuple[int, int]]:
    """Ascending numbers as runs of neighbours: first number and length."""
    runs: list[tuple[int, int]] = []
    for place in places:
        if runs and sum(runs[-1]) == place:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((place, 1))
    return runs


def row_digest(row: Mapping[str, Any]) -> str:
    """sha256 of a row's canonical encoding, in hex.

    Raises ValueError for NaN and infinities, which no table holds.
    """
    return canonical.digest(dict(row))


def row_digests(frame: pl.DataFrame) -> list[bytes]:
    """The digest of every row in order, as raw bytes."""
    return [hashlib.sha256(canonical.encode(row)).digest() for row in frame.iter_rows(named=True)]
