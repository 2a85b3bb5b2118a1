"""Rows followed down, partition by partition, by the columns that point to a parent.

Where bytes mix what came in, as a model's do, all that comes after is touched. An input whose rows
no row here names, though another input was made from it (a probe asks its trace's question), is
followed through that other one. What is touched as a whole is counted and not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from mitt_assets.lineage.moved import Selections
from mitt_assets.lineage.recompute import is_recomputable
from mitt_assets.lineage.rows import Reader, Relation, declared, relation, table_of
from mitt_assets.lineage.statement import Record
from mitt_assets.lineage.walk import inputs_of

if TYPE_CHECKING:
    import polars as pl


class Descent:
    """Touched rows by statement, as a frame of their identifying columns; None where all are."""

    def __init__(self, reader: Reader, filtered: Mapping[str, Iterable[str]]) -> None:
        self.reader = reader
        self.rows: dict[str, pl.DataFrame | None] = {}
        self._counts: dict[str, int] = {}
        self.numbers: dict[str, pl.DataFrame] = {}
        self._filtered = filtered
        self._selections = Selections(reader, filtered)
        self._above: dict[str, frozenset[str]] = {}
        self._named: dict[tuple[str, Relation], pl.Series] = {}

    def has(self, record: Record) -> bool:
        """Whether a record is touched."""
        return record.statement in self.rows

    def count(self, record: Record) -> int | None:
        """How many rows of a touched record are; None where it holds other files."""
        rows = self.rows[record.statement]
        return self._counts.get(record.statement) if rows is None else rows.height

    def visit(self, record: Record) -> None:
        """Touch a record as far as its inputs are; they were visited before."""
        inputs = inputs_of(self.reader.store, record)
        touched = [one for one in inputs if self.has(one)]
        if self.has(record) or not touched:
            return
        if is_recomputable(record):
            self._visit_report(record, touched)
        elif table_of(record.asset) is None:
            self.rows[record.statement] = None
        elif self._wholly(record, inputs, touched):
            self.rows[record.statement] = None
            self._counts[record.statement] = self.reader.count(record)
        else:
            rows = self._rows_of(record, touched)
            if not rows.is_empty():
                self.rows[record.statement] = rows

    def frame(self, record: Record, keep: pl.Expr | None = None) -> pl.DataFrame:
        """The columns of a table that name its rows, its parents', and what filters ask of it."""
        table = declared(record.asset)
        pointing = [column.name for column in table.columns if column.parent]
        beside = ["sample"] if "sample" in table.names else []
        filtered = [name for name in self._filtered.get(table.name, ()) if name in table.names]
        wanted = dict.fromkeys((*table.key, *pointing, *beside, *filtered))
        return self.reader.columns(record, wanted, keep)

    def _wholly(self, record: Record, inputs: list[Record], touched: list[Record]) -> bool:
        """Whether all rows are touched, so that none need be read.

        So it is where an input is touched whose rows no row here names, or all rows of every input
        that rows here name by the same columns.
        """
        for parent in touched:
            if relation(record.asset, parent.asset) is None:
                files = table_of(parent.asset) is None
                if files or not self._through_another(parent, inputs):
                    return True
            elif self.rows[parent.statement] is None:
                same = [one for one in inputs if _name(one) == _name(parent)]
                if all(self.has(one) and self.rows[one.statement] is None for one in same):
                    return True
        return False

    def _rows_of(self, record: Record, touched: list[Record]) -> pl.DataFrame:
        """The rows of a table that name touched rows of its inputs."""
        import polars as pl

        keep = pl.lit(False)
        for parent in touched:
            tie = relation(record.asset, parent.asset)
            if tie is not None:
                one = len(tie.child) == 1
                named = pl.col(tie.child[0]) if one else pl.struct(tie.child)
                keep = keep | named.is_in(self._values(parent, tie))
        return self.frame(record, keep)

    def _values(self, parent: Record, tie: Relation) -> pl.Series:
        """The touched values of the columns that a child names, as one list, made once."""
        import polars as pl

        place = (parent.statement, tie)
        if place not in self._named:
            rows = self.rows[parent.statement]
            above = (self.frame(parent) if rows is None else rows).select(tie.parent).unique()
            above.columns = list(tie.child)
            values = above.to_series() if len(tie.child) == 1 else above.to_struct()
            self._named[place] = pl.Series([values])
        return self._named[place]

    def _through_another(self, parent: Record, inputs: list[Record]) -> bool:
        """Whether another input was made from this one, so that its rows lead further."""
        return any(
            parent.statement in self._upstream(one)
            for one in inputs
            if one.statement != parent.statement
        )

    def _upstream(self, record: Record) -> frozenset[str]:
        if record.statement not in self._above:
            inputs = inputs_of(self.reader.store, record)
            above = {one.statement for one in inputs}
            self._above[record.statement] = frozenset(
                above.union(*(self._upstream(one) for one in inputs))
            )
        return self._above[record.statement]

    def _visit_report(self, record: Record, touched: list[Record]) -> None:
        report = self.reader.store.table(record)
        numbers = self._selections.moved(
            report, [(one, self.rows[one.statement]) for one in touched]
        )
        if not numbers.is_empty():
            self.rows[record.statement] = None
            self.numbers[record.statement] = numbers
            self._counts[record.statement] = numbers.height


def _name(record: Record) -> str:
    return record.asset.rpartition("/")[2]
