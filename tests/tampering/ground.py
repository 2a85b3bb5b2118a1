"""A copy of a finished study to tamper with, and the tools of somebody who knows its layout."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from mitt_assets.lineage import canonical
from mitt_assets.lineage.statement import Record, parse
from mitt_assets.lineage.store import Store, open_store, write_table
from resources.files import object_path
from resources.storage import pointer_path

Key = tuple[str, str | None]
Body = dict[str, Any]
COPIED = ("store", "report", "tables")


@dataclass(frozen=True)
class Ground:
    """A home of its own; what is written here is written as a tamperer would, past the program."""

    home: Path
    keys: tuple[Key, ...]

    @classmethod
    def copy(cls, source: Path, target: Path, keys: tuple[Key, ...]) -> Ground:
        for name in COPIED:
            if (source / name).is_dir():
                shutil.copytree(source / name, target / name, symlinks=True)
        return cls(target, keys)

    @cached_property
    def store(self) -> Store:
        return open_store(self.home)

    def path(self, *parts: str) -> Path:
        return self.home.joinpath("store", *parts)

    def record(self, *key: str | None) -> Record:
        found = self.store.current(str(key[0]), key[1] if len(key) > 1 else None)
        assert found is not None, key
        return found

    def object(self, digest: str) -> Path:
        return self.path(object_path("objects", digest))

    def table(self, record: Record) -> Path:
        return self.object(record.files["table.parquet"])

    def pointer(self, key: Key) -> Path:
        return self.path(f"refs/{pointer_path(*key)}.json")

    def history(self, key: Key) -> list[Path]:
        return sorted(self.path("history", pointer_path(*key)).iterdir())

    def verdict(self, key: Key) -> Path:
        record = self.record(*key)
        (found,) = self.path("verdicts", record.content[:2]).glob(f"{record.content}-*.json")
        return found

    def put(self, data: bytes) -> str:
        return self.store.storage.put(data)

    def write_pointer(self, key: Key, record: Record) -> None:
        fields = ("asset", "partition", "content", "statement")
        body = {name: getattr(record, name) for name in fields}
        overwrite(self.pointer(key), canonical.encode(body))

    def restate(
        self,
        key: Key,
        change: Callable[[Body], object],
        *,
        history: bool = True,
        clean: bool = False,
    ) -> Record:
        """Edit a partition's statement, store it under its new digest, and move the pointer.

        With ``history`` the entry is rewritten too; with ``clean`` the old statement goes.
        """
        was = self.record(*key)
        body = json.loads(self.object(was.statement).read_bytes())
        change(body)
        data = canonical.encode(body)
        record = parse(data)
        self.put(data)
        self.write_pointer(key, record)
        if history:
            for entry in self.history(key):
                if entry.name.endswith(was.statement):
                    moment = entry.name.partition("-")[0]
                    entry.unlink()
                    entry.with_name(f"{moment}-{record.statement}").write_text(record.statement)
        if clean:
            self.object(was.statement).unlink()
        return record

    def refile(self, key: Key, files: Mapping[str, bytes], **how: bool) -> Record:
        """Give a partition other files, under a statement that says they are its own."""
        subjects = [
            {"name": name, "digest": {"sha256": self.put(data)}}
            for name, data in sorted(files.items())
        ]
        return self.restate(key, lambda body: body.update(subject=subjects), **how)

    def retable(self, key: Key, change: Callable[[pl.DataFrame], pl.DataFrame]) -> Record:
        """Change a partition's rows, every digest updated."""
        record = self.record(*key)
        frame = change(self.store.table(record))
        return self.refile(key, {"table.parquet": write_table(frame)}, clean=True)


def overwrite(path: Path, data: bytes) -> None:
    """Write over a file, read-only or not, and keep its time."""
    times = path.stat()
    path.chmod(0o644)
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def age(path: Path) -> None:
    """Make a file older than any writer may be."""
    past = time.time() - 7200
    os.utime(path, (past, past))


def internal(body: Body) -> Body:
    found: Body = body["predicate"]["buildDefinition"]["internalParameters"]
    return found


def external(body: Body) -> Body:
    found: Body = body["predicate"]["buildDefinition"]["externalParameters"]
    return found


def resolved(body: Body) -> list[Body]:
    found: list[Body] = body["predicate"]["buildDefinition"]["resolvedDependencies"]
    return found


def moments(body: Body) -> Body:
    found: Body = body["predicate"]["runDetails"]["metadata"]
    return found
