"""Content-addressed bytes in a local folder or on any fsspec URL.

Data and a record about them can never be renamed into place together, and object stores do not
rename at all. So data go under their own sha256 first, and one small pointer, written last and in
one step, makes them current: a reader sees the old state or the new one, never a mixture.

Layout: `objects/ab/<sha256>` the bytes; `refs/` (and any other name a caller gives) the pointers;
`history/<name>/<utc>-<digest>` one file per commit; `tmp/` files being written.
"""

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote

from mitt_assets.errors import IntegrityError, StorageError
from resources.files import Files, LocalFiles, RemoteFiles, object_path, told

_SHA256 = re.compile(r"[0-9a-f]{64}")
_OWN_FOLDERS = ("objects", "history", "tmp")
_NO_PARTITION = "_"


def pointer_path(asset: str, partition: str | None) -> str:
    """`<asset>/<partition>`, portable as a path and reversible; `_` where there is no partition.

    Letters, digits, `_`, `-` and `.` stay readable; everything else is percent-encoded.
    """
    parts = [_quoted(part).replace(".", "%2E") for part in asset.split("/")]
    return "/".join([*parts, _NO_PARTITION if partition is None else _quoted(partition)])


def pointer_key(path: str) -> tuple[str, str | None]:
    """The asset and partition that `pointer_path` made this path of."""
    asset, _, partition = path.rpartition("/")
    return unquote(asset), None if partition == _NO_PARTITION else unquote(partition)


class Storage:
    """Objects by sha256, pointers by name, and a history; every problem is an error that says so.

    Raises StorageError where the place cannot be read or written, and IntegrityError where stored
    bytes are not those their name promises.
    """

    def __init__(self, url: str | Path) -> None:
        self.url = str(url)
        self._files = _open(self.url)

    def __repr__(self) -> str:
        return f"Storage({self.url!r})"

    def put(self, data: bytes) -> str:
        """Store bytes and return their sha256; an object that is there is verified and repaired."""
        digest = hashlib.sha256(data).hexdigest()
        with told(self.url, f"store object {digest} ({len(data)} bytes)"):
            if not self._kept(digest, len(data)):
                self._files.write(_object(digest), data)
        return digest

    def put_file(self, path: Path) -> str:
        """Store a file without reading it into memory and return its sha256."""
        with told(self.url, f"store the file {path}"):
            return self._files.copy_in("objects", path)

    def get(self, digest: str) -> bytes:
        """The object's bytes, verified against its digest."""
        with told(self.url, f"read object {digest}"):
            data = self._files.read(_object(digest))
        found = None if data is None else hashlib.sha256(data).hexdigest()
        if data is None or found != digest:
            raise self._broken(digest, found, None if data is None else len(data))
        return data

    def verify(self, digest: str) -> None:
        """Read the object through and compare; raises IntegrityError if it is not what it was."""
        with told(self.url, f"read object {digest}"):
            found = self._files.sha256(_object(digest))
            size = self._files.size(_object(digest))
        if found != digest:
            raise self._broken(digest, found, size)

    def has(self, digest: str) -> bool:
        """Whether an object of this name is there; its bytes are not looked at."""
        with told(self.url, f"look for object {digest}"):
            return self._files.size(_object(digest)) is not None

    def size(self, digest: str) -> int:
        """The object's size in bytes."""
        with told(self.url, f"look for object {digest}"):
            size = self._files.size(_object(digest))
        if size is None:
            raise self._broken(digest, None, None)
        return size

    def age(self, digest: str) -> float:
        """Seconds since the object was last stored."""
        with told(self.url, f"look for object {digest}"):
            return self._files.age(_object(digest))

    def local_path(self, digest: str) -> Path | None:
        """The object's file, unverified and read-only; None if it is absent or not local."""
        with told(self.url, f"look for object {digest}"):
            return self._files.local(_object(digest))

    def objects(self) -> Iterator[str]:
        """The names of all objects."""
        with told(self.url, "list the objects"):
            names = [path.rpartition("/")[2] for path in self._files.paths("objects")]
        yield from (name for name in names if _SHA256.fullmatch(name))

    def delete(self, digest: str) -> None:
        """Remove an object; one that is gone already is no error."""
        with told(self.url, f"remove object {digest}"):
            self._files.remove(_object(digest))

    def write_pointer(self, name: str, data: bytes) -> None:
        """Write a small file at `name` below the home, in one step; the last writer wins."""
        with told(self.url, f"write {name}"):
            self._files.write(_checked(name), data)

    def read_pointer(self, name: str) -> bytes | None:
        """The pointer's bytes, or None where there is none."""
        with told(self.url, f"read {name}"):
            return self._files.read(_checked(name))

    def remove_pointer(self, name: str) -> None:
        """Remove a pointer; one that is gone already is no error."""
        with told(self.url, f"remove {name}"):
            self._files.remove(_checked(name))

    def pointers(self, prefix: str = "") -> list[str]:
        """The names of all pointers that begin with `prefix`, sorted."""
        folder = prefix.rpartition("/")[0]
        with told(self.url, f"list the pointers below {folder or 'the home'}"):
            names = self._files.paths(folder)
        return [name for name in names if name.startswith(prefix) and not _own(name)]

    def append_history(self, name: str, digest: str) -> None:
        """Note that `digest` became current under `name`; two writers never share a file."""
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        entry = f"history/{name}/{moment}-{_known(digest)}"
        with told(self.url, f"write {entry}"):
            self._files.write(entry, digest.encode())

    def history(self, folder: str = "history") -> list[str]:
        """The paths of all entries below `history/<name>`, oldest first within a name."""
        with told(self.url, f"list {folder}"):
            return self._files.paths(folder)

    def remove_history(self, entry: str) -> None:
        """Remove one entry, named as `history` names it."""
        with told(self.url, f"remove {entry}"):
            self._files.remove(entry)

    def remove_leftovers(self, older_than: float) -> int:
        """Remove files that a killed writer left in `tmp/` and return how many there were."""
        with told(self.url, "clean up tmp/"):
            left = [path for path in self._files.paths("tmp") if self._files.age(path) > older_than]
            for path in left:
                self._files.remove(path)
        return len(left)

    def _kept(self, digest: str, size: int) -> bool:
        """Whether the object is there, whole, and safe from garbage collection for a while."""
        path = _object(digest)
        if self._files.size(path) != size or not self._files.renew(path):
            return False
        return self._files.local(path) is None or self._files.sha256(path) == digest

    def _broken(self, digest: str, found: str | None, size: int | None) -> IntegrityError:
        state = "it is absent" if found is None else f"found {size} bytes with sha256 {found}"
        return IntegrityError(
            f"Object {_object(digest)} in {self.url} is not what was recorded: expected sha256 "
            f"{digest}, {state}. Restore the file from a copy, or make its partition again with "
            "`mitt run --force --select`, its asset, language and model."
        )


def _open(url: str) -> Files:
    """The files at a folder or URL; nothing is created before the first write."""
    if "://" not in url:
        return LocalFiles(Path(url).absolute())
    if url.startswith("file://"):
        return LocalFiles(Path(unquote(url.removeprefix("file://"))).absolute())
    import fsspec

    try:
        filesystem, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        raise StorageError(
            f"Cannot open {url}: {error}. Install its fsspec driver or give a folder."
        ) from error
    return RemoteFiles(filesystem, root)


def _object(digest: str) -> str:
    return object_path("objects", _known(digest))


def _known(digest: str) -> str:
    if _SHA256.fullmatch(digest) is None:
        raise IntegrityError(f"{digest!r} is not a sha256 in hex, so it can name no object.")
    return digest


def _checked(name: str) -> str:
    path = PurePosixPath(name)
    plain = str(path) == name and not path.is_absolute() and ".." not in path.parts
    if not plain or not path.name or _own(name):
        raise StorageError(f"{name!r} cannot name a pointer: give a plain path such as refs/a/b.")
    return name


def _own(name: str) -> bool:
    return name.partition("/")[0] in _OWN_FOLDERS


def _quoted(part: str) -> str:
    if not part:
        raise StorageError("An asset or partition with an empty name cannot be stored; name it.")
    quoted = quote(part, safe="").replace("~", "%7E")
    if quoted == _NO_PARTITION:
        return "%5F"
    return f"%2E{quoted[1:]}" if quoted.startswith(".") else quoted
