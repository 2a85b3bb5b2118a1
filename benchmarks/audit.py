"""What an audit's hashing costs beside `sha256sum` on the same files: its share of that rate.

The store of a finished study is hashed by both in turn, a few times; the best of each counts.
Give a study's home, or an object store of random tables is made. Exits with 1 under the bound.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

OBJECTS, TIMES = 1600, 5
SIZES = (2_000, 20_000, 200_000)
"""Of the objects of a study with six languages and four models: statements, tables, traces."""
BOUND = 0.7


def prepare(folder: Path) -> None:
    """Objects under their own sha256."""
    from resources.storage import Storage

    storage = Storage(folder / "store")
    for number in range(OBJECTS):
        storage.put(os.urandom(SIZES[number % len(SIZES)]))


def best(hash_all: Callable[[], object]) -> float:
    """Seconds of the fastest of a few runs."""
    found = []
    for _ in range(TIMES):
        clock = time.perf_counter()
        hash_all()
        found.append(time.perf_counter() - clock)
    return min(found)


def compare(home: Path) -> float:
    """The audit's rate over that of sha256sum; prints both."""
    from mitt_assets.lineage.audit_bytes import read_bytes

    root = home / "store"
    files = [str(path) for path in (root / "objects").rglob("*") if path.is_file()]
    size = sum(Path(path).stat().st_size for path in files) / 1e6
    # One process where the argument list allows it, so that its start is not counted per file.
    names = "\0".join(files).encode()
    command = ["xargs", "-0", "sha256sum"]
    theirs = best(lambda: subprocess.run(command, input=names, capture_output=True, check=True))
    ours = best(lambda: read_bytes(root))
    print(f"{len(files)} objects, {size:.1f} MB")
    print(f"sha256sum          {size / theirs:6.0f} MB/s")
    print(f"audit, with listing {size / ours:5.0f} MB/s")
    return theirs / ours


def main() -> int:
    """Compare on the home given, or on one made for it."""
    with TemporaryDirectory() as folder:
        home = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(folder)
        if len(sys.argv) == 1:
            prepare(home)
        ratio = compare(home)
    print(f"{ratio:.2f} of sha256sum's rate (at least {BOUND})")
    return 0 if ratio >= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
