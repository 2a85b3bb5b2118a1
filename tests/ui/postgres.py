"""A Postgres server of Debian's for one test: in a folder of its own, reached by a local socket."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

PROGRAMS = Path("/usr/lib/postgresql")
MISSING = "this test needs Postgres: `apt-get install postgresql` (Debian)"
USER = "postgres"
"""Postgres refuses to run as root; its package makes this user."""


@contextmanager
def postgres() -> Iterator[str]:
    """The address of an empty database, until the context ends."""
    # Short, and not below pytest's folder: a socket's path may have 107 characters, and root's
    # folders are closed to the other user.
    with TemporaryDirectory(prefix="pg-") as folder:
        data = Path(folder) / "data"
        as_user = _prefix(Path(folder))
        _run(as_user, "initdb", "-D", data, "-U", USER, "-A", "trust", "--no-sync", "-E", "UTF8")
        server = subprocess.Popen(
            [*as_user, _program("postgres"), "-D", data, "-k", folder, "-h", "", "-F"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait(as_user, folder, server)
            yield f"postgresql://{USER}@/{USER}?host={folder}"
        finally:
            server.terminate()
            server.wait()


def _prefix(folder: Path) -> list[str]:
    if os.geteuid() != 0:
        return []
    subprocess.run(["chown", USER, folder], check=True)
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]


def _program(name: str) -> Path:
    found = sorted(PROGRAMS.glob(f"*/bin/{name}"))
    assert found, MISSING
    return found[-1]


def _run(as_user: Sequence[str], name: str, *arguments: object) -> None:
    command = [*as_user, str(_program(name)), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr


def _wait(as_user: Sequence[str], folder: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, "the Postgres server ended"
        command = [*as_user, _program("pg_isready"), "-q", "-h", folder]
        if subprocess.run(command, check=False, cwd="/").returncode == 0:
            return
        time.sleep(0.2)
    raise AssertionError("waited 60 s for the Postgres server")
