"""Which numbers of a report rest on touched rows: those whose filter selects one of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

from mitt_assets.lineage.recompute import KEY, is_recomputable
from mitt_assets.lineage.rows import Reader, declared, table_of
from mitt_assets.lineage.statement import Record
from mitt_assets.lineage.store import Store
from mitt_assets.partitions import LANGUAGE_MODEL, parse

if TYPE_CHECKING:
    import polars as pl

_NAME = re.compile(r'"(\w+)": ')
_PLACE = ("variant", "language", "model")


def filter_columns(store: Store, records: Iterable[Record]) -> dict[str, set[str]]:
    """Per table, the names in the filters of all reports, its columns among them."""
    found: dict[str, set[str]] = {}
    for record in records:
        if is_recomputable(record):
            pairs = store.table(record).select("source", "filter").unique()
            for source, filter_ in pairs.iter_rows():
                found.setdefault(_table_name(source), set()).update(_NAME.findall(filter_))
    return found


@dataclass
class Selections:
    """Touched rows by statement, as the distinct values of what filters ask for, each read once.

    `filtered` is what `filter_columns` gives.
    """

    reader: Reader
    filtered: Mapping[str, Iterable[str]]
    _distinct: dict[str, pl.DataFrame] = field(default_factory=dict)

    def moved(
        self, report: pl.DataFrame, touched: Iterable[tuple[Record, pl.DataFrame | None]]
    ) -> pl.DataFrame:
        """The numbers of a report that select at least one touched row, with the row's number.

        `touched` are the partitions the report read, each with its touched rows (None for all of
        them). All rows of a trace are touched together, so that which one of them a filter keeps
        (`last_of`) decides nothing.
        """
        import polars as pl

        frames = self._by_table(touched)
        places: dict[tuple[str, str], set[tuple[Any, ...]]] = {}
        asked = report.select("source", "filter").unique()
        answers = []
        for source, text in asked.iter_rows():
            columns = json.loads(text)
            named = [_listed(columns.pop(name)) for name in _PLACE]
            columns.pop("last_of", None)
            key = (_table_name(source), json.dumps(columns))
            if key not in places:
                places[key] = _selected(frames.get(key[0]), key[1])
            answers.append(any(one in places[key] for one in product(*named)))
        selecting = asked.filter(pl.Series(answers, dtype=pl.Boolean))
        numbered = report.with_row_index("row")
        return numbered.join(
            selecting, on=["source", "filter"], how="semi", maintain_order="left"
        ).select("row", *KEY, "estimate")

    def _by_table(
        self, touched: Iterable[tuple[Record, pl.DataFrame | None]]
    ) -> dict[str, pl.DataFrame]:
        import polars as pl

        frames: dict[str, list[pl.DataFrame]] = {}
        for record, rows in touched:
            table = table_of(record.asset)
            if table is not None and table.name in self.filtered:
                if record.statement not in self._distinct:
                    self._distinct[record.statement] = self._placed(record, rows)
                frames.setdefault(table.name, []).append(self._distinct[record.statement])
        return {name: pl.concat(some) for name, some in frames.items()}

    def _placed(self, record: Record, rows: pl.DataFrame | None) -> pl.DataFrame:
        """Distinct values of touched rows, with variant, language and model."""
        import polars as pl

        table = declared(record.asset)
        used = [one for one in self.filtered[table.name] if one in set(table.names) - set(_PLACE)]
        columns = used or table.key[:1]
        found = self.reader.columns(record, columns).lazy() if rows is None else rows.lazy()
        variant = record.asset.rpartition("/")[0]
        place = {**parse(LANGUAGE_MODEL, record.partition), "variant": variant}
        distinct = found.select(columns).unique() if used else found.select(columns).head(1)
        said = {name: pl.lit(value) for name, value in place.items()}
        return distinct.with_columns(**said).collect()


def _selected(rows: pl.DataFrame | None, filter_: str) -> set[tuple[Any, ...]]:
    """Where (variant, language, model) a filter selects any of these rows."""
    from mitt_assets.method.estimates.selection import select_rows

    if rows is None:
        return set()
    return set(select_rows(rows, filter_).select(_PLACE).unique().iter_rows())


def _table_name(source: str) -> str:
    """The table of a source, which may be one asset or two of the same table."""
    return source.partition(",")[0].rpartition("/")[2]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
