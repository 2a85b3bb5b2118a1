"""Work in progress on one partition: finished shards survive a killed process.

The folder's name is a digest of everything that determines the result (requests, parameters,
weights), so shards of other work can never be taken for those of this one.
"""

import fcntl
import hashlib
import logging
import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mitt_assets.errors import StorageError, TransientError
from resources.files import make_folder, told, write_atomic

_LOG = logging.getLogger(__name__)
_DIGEST = re.compile(r"[0-9a-zA-Z]{8,128}")
_HEADER = 65  # sha256 in hex and a line end
# Record locks belong to the process: they say nothing between two of its threads, and closing any
# descriptor of the file drops them. So what this process holds is known here first.
_HELD: set[Path] = set()


class ShardStore:
    """The shards of one piece of work, numbered from 0; each is whole or absent.

    Raises StorageError where the folder cannot be read or written.
    """

    def __init__(self, root: Path, work_digest: str) -> None:
        if _DIGEST.fullmatch(work_digest) is None:
            raise StorageError(f"{work_digest!r} is no digest, so it can name no work in progress.")
        self._folder = root / work_digest
        self._lock = root / f"{work_digest}.lock"

    def load(self, index: int) -> bytes | None:
        """A finished shard's bytes, or None; a damaged one is discarded, with a warning."""
        path = self._path(index)
        with told(self._folder, f"read shard {index}"):
            if not path.is_file():
                return None
            header, data = _split(path.read_bytes())
            if header == _header(data):
                return data
            path.unlink(missing_ok=True)
        _LOG.warning("Shard %s is damaged; it is discarded and will be made again.", path)
        return None

    def save(self, index: int, data: bytes) -> None:
        """Keep a finished shard, with its checksum, in one step."""
        with told(self._folder, f"write shard {index}"):
            write_atomic(self._path(index), _header(data) + data)

    def finished(self, count: int) -> list[int]:
        """Which of the first `count` shards are there and intact; reads them through."""
        return [index for index in range(count) if self.load(index) is not None]

    def discard(self) -> None:
        """Remove all shards, once what they were for is committed."""
        with told(self._folder, "remove the finished work"):
            if self._folder.is_dir():
                shutil.rmtree(self._folder)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only one at this work; raises TransientError naming who else is.

        The kernel releases the lock when its holder dies, however it dies.
        """
        with told(self._lock, "lock the work"):
            make_folder(self._lock.parent)
            descriptor = _acquire(self._lock)
        try:
            yield
        finally:
            _HELD.discard(self._lock)
            with told(self._lock, "release the lock"):
                self._lock.unlink(missing_ok=True)
                os.close(descriptor)

    def _path(self, index: int) -> Path:
        return self._folder / f"{index:06d}.shard"


def _acquire(path: Path) -> int:
    """Lock the file at `path` and write into it who holds it.

    A record lock, not `flock`: children forked by a killed holder do not keep it. The last holder
    unlinks the file, so a lock may be won on one that is no longer there: try again.
    """
    if path in _HELD:
        raise _held(path, f"this process ({os.getpid()})")
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            _lock(descriptor, path)
        except BaseException:
            os.close(descriptor)
            raise
        if _is_at(descriptor, path):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
            _HELD.add(path)
            return descriptor
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:  # its last holder may take it away at any moment
        return False


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:  # POSIX allows either for "held"
        holder = os.pread(descriptor, 300, 0).decode("utf-8", "replace")
        raise _held(path, holder or "another process") from error


def _held(path: Path, holder: str) -> TransientError:
    return TransientError(
        f"The work in {path.with_suffix('')} is held by {holder}. Wait for it, or end it; what it "
        "has finished is kept."
    )


def _header(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode() + b"\n"


def _split(content: bytes) -> tuple[bytes, bytes]:
    return content[:_HEADER], content[_HEADER:]
