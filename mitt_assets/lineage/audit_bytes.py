"""Every file of a store, by path, and what the bytes of each object hash to now."""

import hashlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mitt_assets.lineage.gc import MIN_AGE_S
from resources.files import object_path

OBJECTS, TMP = "objects/", "tmp/"


@dataclass(frozen=True)
class Bytes:
    """A store's files: all paths, the sha256 of each object (None if unreadable), and young ones.

    ``young`` are objects and files being written that are younger than an hour: a writer may
    stand between them and the record that names them.
    """

    paths: tuple[str, ...]
    hashed: Mapping[str, str | None]
    young: frozenset[str]
    size: int

    def sound(self, digest: str) -> bool:
        """Whether this object is there and is what its name says."""
        return self.hashed.get(object_path("objects", digest)) == digest

    def there(self, digest: str) -> bool:
        """Whether a file of this object's name is there, whatever it holds."""
        return object_path("objects", digest) in self.hashed


def read_bytes(root: Path) -> Bytes:
    """List everything below a store's folder and hash its objects.

    One thread: on files as small as most of these, a pool costs more than a second core gives.
    """
    files = sorted(path for path in root.rglob("*") if path.is_file() or path.is_symlink())
    by_name = {path.relative_to(root).as_posix(): path for path in files}
    objects = {name: path for name, path in by_name.items() if name.startswith(OBJECTS)}
    return Bytes(
        paths=tuple(by_name),
        hashed=dict(zip(objects, hash_files(objects.values()), strict=True)),
        young=frozenset(name for name, path in by_name.items() if _young(name, path)),
        size=sum(path.stat().st_size for path in objects.values() if path.is_file()),
    )


def hash_files(paths: Iterable[Path]) -> list[str | None]:
    """sha256 of each file; None for one that cannot be read."""
    return [_sha256(path) for path in paths]


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _young(name: str, path: Path) -> bool:
    if not name.startswith((OBJECTS, TMP)):
        return False
    return time.time() - path.lstat().st_mtime < MIN_AGE_S
