"""A tree of links for people: `tables/base/probes/<model>/tl.parquet`, rebuilt at will.

The program never reads it. The links lead to read-only objects, so opening one is safe.
"""

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mitt_assets.errors import IntegrityError, StorageError
from mitt_assets.lineage.statement import Record, label
from mitt_assets.lineage.store import TABLE, Store
from resources.files import told

FOLDER = "tables"


def tree_path(record: Record, name: str) -> PurePosixPath:
    """Where people look for a file: `<asset>/<model>/<language>.parquet` for the table.

    Dimensions come in reverse order of the partition key, so the model comes first; a file that is
    not the table keeps its name behind the partition's.
    """
    dimensions = [] if record.partition is None else record.partition.split("|")[::-1]
    parts = [*record.asset.split("/"), *(_plain(dimension) for dimension in dimensions)]
    if name == TABLE:
        return PurePosixPath(*parts[:-1], f"{parts[-1]}{PurePosixPath(TABLE).suffix}")
    return PurePosixPath(*parts, *PurePosixPath(name).parts)


def rebuild(store: Store, root: Path) -> Path:
    """Make `root/tables` show every current file, in one step, and return it.

    Raises StorageError if the store is not a local folder, or if `root/tables` holds anything but
    links: it would be replaced; IntegrityError if a current file is gone.
    """
    root = root.resolve()
    target = root / FOLDER
    fresh, old = (root / f".{FOLDER}-{word}-{uuid.uuid4().hex}" for word in ("new", "old"))
    with told(target, "rebuild the tree of links"):
        _refuse_files(target)
        fresh.mkdir(parents=True)
        try:
            for path, source in _links(store):
                _link(fresh / path, os.path.relpath(source, (target / path).parent))
            if target.exists():
                target.rename(old)
            fresh.rename(target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)
    return target


def _links(store: Store) -> Iterator[tuple[PurePosixPath, Path]]:
    for record in store.records():
        for name, digest in record.files.items():
            source = store.storage.local_path(digest)
            if source is None and not store.storage.has(digest):
                place = label(record.asset, record.partition)
                raise IntegrityError(f"{name} of {place} is gone; `mitt run` makes it again.")
            if source is None:
                raise StorageError(
                    f"{store.storage.url} has no local file for object {digest}, so nothing can "
                    "be linked. Use `mitt export` for a remote store."
                )
            yield tree_path(record, name), source.resolve()


def _link(link: Path, source: str) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(source)


def _refuse_files(target: Path) -> None:
    for path in target.rglob("*"):
        if path.is_file() and not path.is_symlink():
            raise StorageError(f"{path} is a file of yours in a tree of links; move it elsewhere.")


def _plain(dimension: str) -> str:
    """A partition's dimension as one path component."""
    return dimension.replace("/", "%2F") if dimension.strip(".") else dimension.replace(".", "%2E")
