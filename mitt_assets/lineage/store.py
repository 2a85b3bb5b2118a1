"""The store: what is current in every asset partition, and the bytes behind it.

A commit is four steps in this order: objects, statement, history, pointer. Only the last one is
visible, so a writer killed between any two of them has changed nothing that a reader sees.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from mitt_assets.errors import DataError, IntegrityError, MissingInputError
from mitt_assets.lineage import canonical
from mitt_assets.lineage.folders import materialise_folder
from mitt_assets.lineage.statement import Provenance, Record, build, label, parse
from resources.storage import Storage, pointer_key, pointer_path

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Commit", "Provenance", "Record", "Store", "open_store", "write_table"]

TABLE = "table.parquet"


@dataclass(frozen=True)
class Commit:
    """One entry of a partition's history: when (UTC) and the digest of the statement."""

    when: str
    statement: str


def open_store(home: Path) -> "Store":
    """The store of a study's home: objects and pointers in `store/`, unpacked files in `cache/`."""
    return Store(Storage(home / "store"), home / "cache")


class Store:
    """Committed partitions over a Storage; `cache` is a local folder that may be emptied at will.

    `current` reads one small file per call; statements are immutable and kept in memory.
    """

    def __init__(self, storage: Storage, cache: Path) -> None:
        self.storage = storage
        self.cache = cache
        self._pointers: dict[str, tuple[bytes, Record]] = {}
        self._statements: dict[str, Record] = {}

    def commit(self, provenance: Provenance, files: Mapping[str, bytes | Path]) -> Record:
        """Store the files and the statement about them, then make them the current ones.

        Equal content is not stored twice; the pointer moves to the new statement nevertheless.
        """
        digests = {_file_name(name): self._put(source) for name, source in files.items()}
        statement = canonical.encode(build(provenance, digests))
        record = self._remember(self.storage.put(statement), statement)
        path = pointer_path(record.asset, record.partition)
        self.storage.append_history(path, record.statement)
        self.storage.write_pointer(f"refs/{path}.json", _pointer(record))
        return record

    def current(self, asset: str, partition: str | None) -> Record | None:
        """What is current in a partition, or None; IntegrityError if the record is broken."""
        record = self._read_pointer(f"refs/{pointer_path(asset, partition)}.json")
        if record is not None and (record.asset, record.partition) != (asset, partition):
            raise IntegrityError(
                f"The pointer of {label(asset, partition)} in {self.storage.url} leads to "
                f"{label(record.asset, record.partition)}. `mitt run` makes it again."
            )
        return record

    def records(self) -> list[Record]:
        """Every current record, by asset and partition."""
        found = [self._read_pointer(name) for name in self.storage.pointers("refs/")]
        return sorted((record for record in found if record is not None), key=_key)

    def history(self, asset: str, partition: str | None) -> list[Commit]:
        """Every commit of a partition, oldest first; `statement_record` reads one of them."""
        folder = f"history/{pointer_path(asset, partition)}"
        entries = [entry.rpartition("/") for entry in self.storage.history(folder)]
        return [Commit(*name.rpartition("-")[::2]) for at, _, name in entries if at == folder]

    def statement_record(self, statement: str) -> Record:
        """The record of any statement that is kept, current or not, verified."""
        if statement not in self._statements:
            return self._remember(statement, self.storage.get(statement))
        return self._statements[statement]

    def read(self, record: Record, name: str) -> bytes:
        """One file of a record, verified; raises IntegrityError naming partition and object."""
        if name not in record.files:
            raise MissingInputError(
                f"{label(record.asset, record.partition)} has no file {name}; it has "
                f"{', '.join(sorted(record.files))}."
            )
        try:
            return self.storage.get(record.files[name])
        except IntegrityError as error:
            place = label(record.asset, record.partition)
            raise IntegrityError(f"{name} of {place} is damaged. {error}") from error

    def verify(self, record: Record) -> None:
        """Read every file of a record through; raises IntegrityError at the first damaged one."""
        self.storage.verify(record.statement)
        for digest in record.files.values():
            self.storage.verify(digest)

    def table(self, record: Record, name: str = TABLE) -> "pl.DataFrame":
        """One table of a record, from verified bytes."""
        import polars as pl

        return pl.read_parquet(BytesIO(self.read(record, name)))

    def folder(self, record: Record) -> Path:
        """All files of a record as a real folder in the cache, verified at every call.

        The files are copies: whoever writes into them does not reach the objects.
        """
        return materialise_folder(
            self.cache / record.content, record.files, lambda name: self.read(record, name)
        )

    def content_root(self, keys: Iterable[tuple[str, str | None]] | None = None) -> str:
        """One digest of what these partitions hold (all, if none are named): reproducible."""
        return canonical.digest([[r.asset, r.partition, r.content] for r in self._chosen(keys)])

    def statement_root(self, keys: Iterable[tuple[str, str | None]] | None = None) -> str:
        """One digest of how these partitions were made, times and machines included."""
        return canonical.digest([[r.asset, r.partition, r.statement] for r in self._chosen(keys)])

    def _chosen(self, keys: Iterable[tuple[str, str | None]] | None) -> list[Record]:
        if keys is None:
            return self.records()
        found = [self._required(asset, partition) for asset, partition in set(keys)]
        return sorted(found, key=_key)

    def _required(self, asset: str, partition: str | None) -> Record:
        record = self.current(asset, partition)
        if record is None:
            raise MissingInputError(f"{label(asset, partition)} was never made; materialise it.")
        return record

    def _put(self, source: bytes | Path) -> str:
        if isinstance(source, Path):
            return self.storage.put_file(source)
        return self.storage.put(source)

    def _remember(self, digest: str, statement: bytes) -> Record:
        self._statements[digest] = parse(statement)
        return self._statements[digest]

    def _read_pointer(self, name: str) -> Record | None:
        data = self.storage.read_pointer(name)
        if data is None:
            return None
        kept = self._pointers.get(name)
        if kept is None or kept[0] != data:
            try:
                kept = (data, self.statement_record(_statement_in(data, self.storage.url, name)))
            except IntegrityError as error:
                raise IntegrityError(f"{_place(name)} cannot be read: {error}") from error
            self._pointers[name] = kept
        return kept[1]


def write_table(frame: "pl.DataFrame") -> bytes:
    """The table as zstd parquet; equal frames give equal bytes under one polars version.

    Raises DataError for columns whose bytes would depend on the process.
    """
    import polars as pl

    for name, dtype in frame.schema.items():
        if dtype in (pl.Object, pl.Categorical):
            raise DataError(f"Column {name} is {dtype}, which has no stable bytes; use String.")
    buffer = BytesIO()
    frame.rechunk().write_parquet(buffer, compression="zstd", compression_level=3, statistics=True)
    return buffer.getvalue()


def _key(record: Record) -> tuple[str, str]:
    return record.asset, record.partition or ""


def _pointer(record: Record) -> bytes:
    return canonical.encode(
        {
            "asset": record.asset,
            "partition": record.partition,
            "content": record.content,
            "statement": record.statement,
        }
    )


def _place(pointer: str) -> str:
    return label(*pointer_key(pointer.removeprefix("refs/").removesuffix(".json")))


def _statement_in(pointer: bytes, url: str, name: str) -> str:
    import json

    try:
        return str(json.loads(pointer)["statement"])
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(
            f"Pointer {url}/{name} is damaged ({error!r}). `mitt run` makes its partition again."
        ) from error


def _file_name(name: str) -> str:
    parts = name.split("/")
    if "" in parts or "." in parts or ".." in parts or "\\" in name:
        raise DataError(f"{name!r} cannot name a file of a partition; use a plain relative path.")
    return name
