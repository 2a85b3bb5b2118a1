"""A real file system of a few hundred kilobytes: soon full, and read-only if asked."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk_at(target: Path, kilobytes: int) -> Iterator[Path]:
    """Mounted at ``target`` meanwhile, which needs root; where root may not mount, it fails."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root; the file size limit is tested without")
    target.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={kilobytes}k"]
    subprocess.run(["mount", *options, "tmpfs", str(target)], check=True)
    try:
        yield target
    finally:
        subprocess.run(["umount", "-l", str(target)], check=True)


def make_read_only(disk: Path) -> None:
    """From now on nothing can be written there, not even by root."""
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
