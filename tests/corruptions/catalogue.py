"""What a corruption is, and how one is applied: to a record beside the store, no pointer moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import polars as pl

from checks.subject import Subject
from mitt_assets.graph import Graph
from mitt_assets.lineage import canonical
from mitt_assets.lineage.statement import Record, build, parse
from mitt_assets.lineage.store import Store, write_table
from mitt_assets.work import TABLE_FILE, Services


@dataclass(frozen=True)
class Ground:
    """A finished miniature study, read only."""

    graph: Graph
    store: Store
    services: Services

    def record(self, asset: str, partition: str | None) -> Record:
        """The sound record of a partition."""
        found = self.store.current(asset, partition)
        assert found is not None, (asset, partition)
        return found

    def frame(self, asset: str, partition: str | None) -> pl.DataFrame:
        """The sound table of a partition."""
        return self.store.table(self.record(asset, partition))

    def subject(self, record: Record) -> Subject:
        """A record as a check sees it."""
        return Subject(self.graph, self.store, record, self.services)


@dataclass(frozen=True)
class Corruption:
    """One way to be wrong. Give ``table`` (for table assets) or ``files``.

    ``says`` is part of the sentence of an expectation that must fail (critical or warning), and
    ``rows`` gives ids that its failing rows must name, from the sound table; empty if none.
    """

    name: str
    asset: str
    partition: str | None
    says: str
    table: Callable[[pl.DataFrame, Ground], pl.DataFrame] | None = None
    files: Callable[[Mapping[str, bytes], Ground], dict[str, bytes]] | None = None
    rows: Callable[[pl.DataFrame], list[str]] | None = None
    warning: bool = False

    def apply(self, ground: Ground) -> Subject:
        """The partition as it would be had it been written wrong."""
        sound = ground.record(self.asset, self.partition)
        if self.table is not None:
            frame = self.table(ground.frame(self.asset, self.partition), ground)
            files = {TABLE_FILE: write_table(frame)}
        else:
            assert self.files is not None, self.name
            kept = {name: ground.store.read(sound, name) for name in sound.files}
            files = self.files(kept, ground)
        return ground.subject(rewritten(ground.store, sound, files))


def rewritten(store: Store, sound: Record, files: Mapping[str, bytes]) -> Record:
    """A consistent record of other files under the same provenance; it is current nowhere."""
    digests = {name: store.storage.put(data) for name, data in files.items()}
    statement = canonical.encode(build(replace(sound, files=digests), digests))
    store.storage.put(statement)
    return parse(statement)
