"""A record's files as a real folder, for libraries that load models only from one."""

import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from resources.files import chunks_of, make_folder, sha256_of, told


def materialise_folder(
    target: Path, files: Mapping[str, str], read: Callable[[str], bytes]
) -> Path:
    """Make `target` hold exactly these files (name to sha256), in one step; a good one is kept.

    Files are read one at a time through `read`, which verifies them. A folder that was altered is
    made anew. Raises StorageError where the cache cannot be written.
    """
    with told(target.parent, f"unpack {target.name}"):
        if not _is_whole(target, files):
            _replace(target, files, read)
    return target


def _is_whole(target: Path, files: Mapping[str, str]) -> bool:
    found = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    return found == set(files) and all(
        sha256_of(chunks_of(target / name)) == sha256 for name, sha256 in files.items()
    )


def _replace(target: Path, files: Mapping[str, str], read: Callable[[str], bytes]) -> None:
    unique = f"{os.getpid()}-{uuid.uuid4().hex}"
    fresh, old = target.parent / f".new-{unique}", target.parent / f".old-{unique}"
    try:
        for name in files:
            make_folder((fresh / name).parent)
            (fresh / name).write_bytes(read(name))
        make_folder(fresh)
        _swap(fresh, target, old, files)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _swap(fresh: Path, target: Path, old: Path, files: Mapping[str, str]) -> None:
    """Rename into place; another process may have been faster, which is as good."""
    if target.exists():
        target.rename(old)
    try:
        fresh.rename(target)
    except OSError:
        if not _is_whole(target, files):
            raise
