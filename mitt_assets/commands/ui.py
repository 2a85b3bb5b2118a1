"""``mitt ui``: Dagster's web interface over a study's home."""

from __future__ import annotations

import fcntl
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mitt_assets.commands.options import STUDY

if TYPE_CHECKING:
    from mitt_assets.home import Home

ADDRESS = "127.0.0.1"


@click.command()
@STUDY
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True)
def ui(study: str | None, port: int) -> None:
    """Show the graph, its partitions and its runs in the browser, and run them from there.

    It listens on this machine only and sends nothing elsewhere. Ctrl-C ends it.

    \b
    mitt ui
    mitt ui --study mine.yaml --port 3001
    """
    from mitt_assets.home import Home
    from mitt_assets.study_file import find, load_study

    file = find(study)
    home = Home(load_study(file))
    _refuse_taken(port)
    home.prepare()
    hold(home)
    click.echo(f"Showing {file.stem} at http://{ADDRESS}:{port} from {home.path}; Ctrl-C ends it.")
    settings = {
        **os.environ,
        "DAGSTER_HOME": str(home.dagster),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "MITT_STUDY": str(file),
    }
    program = str(Path(sys.executable).with_name("dagster"))
    arguments = ["dev", "-h", ADDRESS, "-p", str(port), "-m", "mitt_assets.definitions"]
    sys.stdout.flush()
    os.execve(program, [program, *arguments], settings)


def hold(home: Home) -> int:
    """Lock the home for as long as this process, or the program that replaces it, runs.

    Two daemons on one home would launch runs twice. Returns the lock's descriptor; raises
    StorageError if another holds it.
    """
    from mitt_assets.errors import StorageError

    lock = os.open(home.dagster / "ui.lock", os.O_RDWR | os.O_CREAT, 0o666)
    os.set_inheritable(lock, True)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise StorageError(
            f"another `mitt ui` shows {home.path} already; use that one, or end it first"
        ) from error
    return lock


def _refuse_taken(port: int) -> None:
    """Raise StorageError if something listens there: Dagster would say so in a long trace."""
    from mitt_assets.errors import StorageError

    try:
        socket.create_server((ADDRESS, port)).close()
    except OSError as error:
        raise StorageError(
            f"port {port} cannot be used ({os.strerror(error.errno or 0)}); end what listens"
            f" there, or choose another: mitt ui --port {port + 1}"
        ) from error
