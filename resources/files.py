"""Files that appear whole or not at all, in a local folder or on any fsspec file system.

A writer can be killed at any instruction and a disk can fill at any byte. Locally, a file is
written under another name, forced to the disk and renamed; elsewhere it is one PUT.
"""

import errno
import hashlib
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from mitt_assets.errors import StorageError

CHUNK = 1 << 20
# A remote object younger than this is not sent again; well under the age garbage collection needs.
_FRESH_S = 600.0
_REMEDIES = {
    errno.ENOSPC: "Free space there or set MITT_HOME to a folder on another disk, then run again.",
    errno.EDQUOT: "The quota is used up: free space or set MITT_HOME elsewhere, then run again.",
    errno.EFBIG: "Raise the file size limit (`ulimit -f`), then run again.",
    errno.EROFS: "Mount it writable or set MITT_HOME to a folder that is.",
    errno.EACCES: "Give this user the right to it or set MITT_HOME to another folder.",
    errno.EPERM: "Give this user the right to it or set MITT_HOME to another folder.",
    errno.ENOTDIR: "A file stands where a folder is needed: move it or set MITT_HOME elsewhere.",
    errno.EISDIR: "A folder stands where a file is needed: move it or set MITT_HOME elsewhere.",
    errno.EEXIST: "A file stands where a folder is needed: move it or set MITT_HOME elsewhere.",
    errno.ENAMETOOLONG: "Shorten the asset or partition name.",
}


@contextmanager
def told(home: object, action: str) -> Iterator[None]:
    """Turn any OSError inside into a StorageError: which home, what was tried, what to do."""
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "Mend that, then run again.")
        raise StorageError(f"{home}: cannot {action}: {error}. {remedy}") from error


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, each of them safely on the disk."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Force a folder's entries to the disk, so that a rename survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def staged(folder: Path, chunks: Iterable[bytes], mode: int = 0o666) -> Iterator[Path]:
    """A complete file in `folder`, on the disk, to be renamed; if it is not, it is removed."""
    make_folder(folder)
    path = folder / f".{os.getpid()}-{uuid.uuid4().hex}.part"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with open(descriptor, "wb") as file:
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())
        yield path
    finally:
        path.unlink(missing_ok=True)


def settle(path: Path, target: Path) -> None:
    """Rename a staged file to its place, durably; whatever stood there is replaced."""
    make_folder(target.parent)
    path.replace(target)
    sync_folder(target.parent)


def write_atomic(target: Path, data: bytes) -> None:
    """Write a file that is there whole or, if anything fails, not at all (raises OSError)."""
    with staged(target.parent, [data]) as path:
        settle(path, target)


def chunks_of(path: Path) -> Iterator[bytes]:
    """The bytes of a local file, a mebibyte at a time."""
    with path.open("rb") as file:
        yield from _chunks(file)


def sha256_of(chunks: Iterable[bytes]) -> str:
    """sha256 of a stream of bytes, in hex."""
    hasher = hashlib.sha256()
    for chunk in chunks:
        hasher.update(chunk)
    return hasher.hexdigest()


class LocalFiles:
    """A folder of this machine; every file is staged in its `tmp/`, synced and renamed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._staging = root / "tmp"

    def read(self, path: str) -> bytes | None:
        """The bytes, or None where there is no such file."""
        try:
            return (self._root / path).read_bytes()
        except FileNotFoundError:
            return None

    def sha256(self, path: str) -> str | None:
        """Digest of the bytes as they are now, or None where there is no such file."""
        try:
            return sha256_of(chunks_of(self._root / path))
        except FileNotFoundError:
            return None

    def write(self, path: str, data: bytes) -> None:
        """Write the file in one step; objects become read-only."""
        with staged(self._staging, [data], _mode(path)) as part:
            settle(part, self._root / path)

    def copy_in(self, folder: str, source: Path) -> str:
        """Stream a file to the place its own sha256 gives it and return that digest."""
        hasher = hashlib.sha256()

        def hashed() -> Iterator[bytes]:
            for chunk in chunks_of(source):
                hasher.update(chunk)
                yield chunk

        with staged(self._staging, hashed(), _mode(folder)) as part:
            sha256 = hasher.hexdigest()
            settle(part, self._root / object_path(folder, sha256))
        return sha256

    def size(self, path: str) -> int | None:
        """Size in bytes, or None where there is no such file."""
        try:
            return (self._root / path).stat().st_size
        except FileNotFoundError:
            return None

    def age(self, path: str) -> float:
        """Seconds since the file was written or renewed."""
        return time.time() - (self._root / path).stat().st_mtime

    def renew(self, path: str) -> bool:
        """Make the file new again for garbage collection; False if only a rewrite can do that."""
        try:
            os.utime(self._root / path)
        except (PermissionError, FileNotFoundError):
            return False
        return True

    def paths(self, folder: str) -> list[str]:
        """Every finished file below a folder, sorted."""
        found = []
        for parent, _, names in os.walk(self._root / folder):
            relative = Path(parent).relative_to(self._root)
            found += [(relative / name).as_posix() for name in names]
        return sorted(found)

    def remove(self, path: str) -> None:
        """Remove a file; one that is gone already is no error."""
        (self._root / path).unlink(missing_ok=True)

    def local(self, path: str) -> Path | None:
        """Where the file is, if it is."""
        found = self._root / path
        return found if found.is_file() else None


class RemoteFiles:
    """Any fsspec file system; a file is one PUT, which object stores do whole or not at all."""

    def __init__(self, filesystem: Any, root: str) -> None:
        self._fs = filesystem
        self._root = root.rstrip("/")

    def read(self, path: str) -> bytes | None:
        """The bytes, or None where there is no such file."""
        try:
            return bytes(self._fs.cat_file(self._at(path)))
        except FileNotFoundError:
            return None

    def sha256(self, path: str) -> str | None:
        """Digest of the bytes as they are now, or None where there is no such file."""
        try:
            with self._fs.open(self._at(path), "rb") as file:
                return sha256_of(_chunks(file))
        except FileNotFoundError:
            return None

    def write(self, path: str, data: bytes) -> None:
        """Write the file with one PUT."""
        self._fs.makedirs(self._at(path).rsplit("/", 1)[0], exist_ok=True)
        self._fs.pipe_file(self._at(path), data)

    def copy_in(self, folder: str, source: Path) -> str:
        """Send a file to the place its own sha256 gives it and return that digest."""
        sha256 = sha256_of(chunks_of(source))
        target = self._at(object_path(folder, sha256))
        self._fs.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
        self._fs.put_file(str(source), target)
        if sha256_of(chunks_of(source)) != sha256:
            self._fs.rm_file(target)
            raise StorageError(f"{source} changed while it was being stored; run again.")
        return sha256

    def size(self, path: str) -> int | None:
        """Size in bytes, or None where there is no such file."""
        try:
            return int(self._fs.info(self._at(path))["size"])
        except FileNotFoundError:
            return None

    def age(self, path: str) -> float:
        """Seconds since the file was written."""
        return time.time() - float(self._fs.modified(self._at(path)).timestamp())

    def renew(self, path: str) -> bool:
        """False if the file is so old that it must be sent again to count as new."""
        try:
            return self.age(path) < _FRESH_S
        except (NotImplementedError, FileNotFoundError):
            return False

    def paths(self, folder: str) -> list[str]:
        """Every file below a folder, sorted."""
        self._fs.invalidate_cache()
        try:
            found = self._fs.find(self._at(folder))
        except FileNotFoundError:
            return []
        return sorted(path[path.index(self._root) + len(self._root) + 1 :] for path in found)

    def remove(self, path: str) -> None:
        """Remove a file; one that is gone already is no error."""
        if self._fs.exists(self._at(path)):
            self._fs.rm_file(self._at(path))

    def local(self, path: str) -> Path | None:
        """Nothing here is a local file."""
        return None

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"


Files = LocalFiles | RemoteFiles
"""Where a Storage keeps its files; paths are relative to it and separated by `/`."""


def object_path(folder: str, sha256: str) -> str:
    """Where an object stands: `objects/ab/<sha256>`."""
    return f"{folder}/{sha256[:2]}/{sha256}"


def _mode(path: str) -> int:
    return 0o444 if path.startswith("objects") else 0o666


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk
