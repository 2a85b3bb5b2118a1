"""A committed partition as a check sees it: its bytes, and those it was made from.

Parents are read by the statement's own record of them, not by what is current now: a verdict is
about these bytes given those, and stays true when something upstream moves on. Everything is read
from the store, never through the gate, which would refuse what has not been checked yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from mitt_assets import partitions
from mitt_assets.errors import MissingInputError
from mitt_assets.graph import Graph, Step
from mitt_assets.lineage.statement import Record, label
from mitt_assets.lineage.store import Store
from mitt_assets.study import Study
from mitt_assets.tables import TABLES, Table
from mitt_assets.work import Services

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Values:
    """What polars measured, for Great Expectations to judge: a frame with one row per thing.

    ``ids`` are the columns that name a row of the checked table, or the witness of a group. No
    list columns; a null or NaN in a judged column fails.
    """

    frame: pl.DataFrame
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Subject:
    """One partition to be judged, with read access to its parents and the gateways."""

    graph: Graph
    store: Store
    record: Record
    services: Services

    @property
    def study(self) -> Study:
        """The study whose bounds hold."""
        return self.graph.study

    @property
    def step(self) -> Step:
        """The step that makes this asset."""
        return self.graph.step(self.record.asset)

    @property
    def table(self) -> Table | None:
        """The table this partition should hold, if it holds one."""
        return TABLES[self.step.table] if self.step.table else None

    @property
    def own(self) -> dict[str, str]:
        """The partition's dimension values, such as language and model."""
        return partitions.parse(self.step.dimensions, self.record.partition)

    @cached_property
    def frame(self) -> pl.DataFrame:
        """The partition's table, its bytes verified."""
        return self.store.table(self.record)

    def file(self, name: str) -> bytes:
        """One file of the partition, verified."""
        return self.store.read(self.record, name)

    @cached_property
    def parents(self) -> Mapping[tuple[str, str | None], Record]:
        """The records this partition was made from, by (asset, partition)."""
        return {
            (one.asset, one.partition): self.store.statement_record(one.statement)
            for one in self.record.dependencies
        }

    def parent(self, asset: str, partition: str | None = None) -> Record:
        """One parent; ``partition`` chooses where there are several.

        Raises MissingInputError if the statement names no such input.
        """
        found = [
            record
            for (name, key), record in self.parents.items()
            if name == asset and partition in (None, key)
        ]
        if len(found) != 1:
            place = label(self.record.asset, self.record.partition)
            raise MissingInputError(
                f"The statement of {place} names {len(found)} inputs {label(asset, partition)}, "
                "where one was expected. Make it again."
            )
        return found[0]

    def parent_frame(self, asset: str, partition: str | None = None) -> pl.DataFrame:
        """The table of one parent, verified."""
        return self.store.table(self.parent(asset, partition))

    def parent_frames(self, asset: str) -> dict[str | None, pl.DataFrame]:
        """The tables of all parents of one asset, by partition."""
        return {
            key: self.store.table(record)
            for (name, key), record in self.parents.items()
            if name == asset
        }
