"""``mitt ui``: Dagster's web interface over a study's home, and the pages that it links to."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import click

from mitt_assets.commands.options import STUDY

if TYPE_CHECKING:
    from mitt_assets.home import Home

ADDRESS = "127.0.0.1"
WORKSPACE = Path(__file__).parents[1] / "workspace.yaml"
LOG = "ui.log"
"""In the home's folder of the Dagster instance."""
GRACE = 15.0
"""Seconds that runs which are going on get to cancel themselves."""
_SIGNAL_AFTER_PARENT, _ADOPT = 1, 36  # PR_SET_PDEATHSIG and PR_SET_CHILD_SUBREAPER of prctl(2)


@click.command()
@STUDY
@click.option("--port", type=click.IntRange(1, 65534), default=3000, show_default=True)
def ui(study: str | None, port: int) -> None:
    """Show the graph, its partitions and its runs in the browser, and run them from there.

    It listens on this machine only and sends nothing elsewhere. The report and the traces of its
    numbers are at the next port. Ctrl-C ends it.

    \b
    mitt ui
    mitt ui --study mine.yaml --port 3010
    """
    from mitt_assets.home import Home
    from mitt_assets.pages import pages_server
    from mitt_assets.study_file import find, load_study
    from mitt_assets.ui_pages import remember_address

    file = find(study)
    chosen = load_study(file)
    home = Home(chosen)
    with _port_taken_is_said(port):
        socket.create_server((ADDRESS, port)).close()
    home.prepare()
    lock = home.hold()
    with _port_taken_is_said(port + 1):
        pages = pages_server(file, port + 1)
    address = f"http://{ADDRESS}:{port + 1}"
    remember_address(home, address)
    log = _fresh_log(home)
    click.echo(f"Starting the web interface of {chosen.name}, whose results are in {home.path}.")
    settings = {"DAGSTER_HOME": str(home.dagster), "MITT_STUDY": str(file), "MITT_PAGES": address}
    services = _start(port, settings, log, lock)
    Thread(target=pages.serve_forever, daemon=True).start()
    sys.exit(_attend(services, f"http://{ADDRESS}:{port}", log))


def _fresh_log(home: Home) -> Path:
    """Where webserver, daemon and code location write what they do; the last one is kept too."""
    log = home.dagster / LOG
    if log.exists():
        log.replace(log.with_suffix(".previous"))
    return log


def _start(port: int, settings: dict[str, str], log: Path, lock: int) -> subprocess.Popen[bytes]:
    """Webserver, daemon and code location, in a session of their own.

    They are told to end when this process does, however it ends. The lock of the home is theirs
    too, so that it is free only when they are gone.
    """
    program = str(Path(sys.executable).with_name("dagster"))
    # A shell that starts this in the background has it ignore SIGINT, and what is ignored is
    # inherited: the services could not be asked to end.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    arguments = ["dev", "-h", ADDRESS, "-p", str(port), "-w", str(WORKSPACE)]
    with log.open("wb") as file:
        return subprocess.Popen(
            [program, *arguments],
            env={**os.environ, "DAGSTER_DISABLE_TELEMETRY": "1", **settings},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            pass_fds=(lock,),
            start_new_session=True,
            preexec_fn=_end_with_parent(),
        )


def _end_with_parent() -> Callable[[], None] | None:
    """What the services call first, so that they end with this process; None where nothing can.

    This process also becomes the parent of whatever they leave behind.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up here: after a fork, as little as possible is done
    prctl(_ADOPT, 1)
    return lambda: prctl(_SIGNAL_AFTER_PARENT, signal.SIGINT)


def _attend(services: subprocess.Popen[bytes], url: str, log: Path) -> int:
    """Say when the page can be opened, wait for the services to end, and leave none behind."""
    asked = []

    def end(number: int, frame: object) -> None:
        asked.append(number)
        # Asked twice, it is ended as it is.
        signal.signal(number, lambda *again: _signal_all(services, signal.SIGKILL))
        services.send_signal(signal.SIGINT)
        with suppress(OSError):  # the terminal may be what is gone
            click.echo("Ending the web interface; runs are cancelled, finished shards are kept.")

    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # `nohup mitt ui` is to outlive its terminal.
        if one != signal.SIGHUP or signal.getsignal(one) != signal.SIG_IGN:
            signal.signal(one, end)
    while services.poll() is None and not _answers(url):
        time.sleep(0.5)
    if services.poll() is None:
        click.echo(f"Open {url} in a browser. Ctrl-C ends it. Its log: {log}")
    # Not `wait`: once Polars is loaded, for a page, a signal interrupts no system call any more.
    while (code := services.poll()) is None:
        time.sleep(0.2)
    for last_word in (signal.SIGTERM, signal.SIGKILL):
        _signal_all(services, last_word)
        _bury(time.monotonic() + GRACE)
    if not asked:
        click.secho(f"The web interface ended by itself; its log: {log}", fg="red", err=True)
        return code or 1  # `dagster dev` ends with 0 also when its webserver could not be started
    return code


def _signal_all(services: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal the services and what they started, as far as they are still there."""
    with suppress(ProcessLookupError):
        os.killpg(services.pid, number)


def _bury(deadline: float) -> None:
    """Wait until no child is left, or for as long as it may take."""
    with suppress(ChildProcessError):
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.1)


def _answers(url: str) -> bool:
    """Whether the webserver has loaded the code location and serves pages."""
    try:
        with urllib.request.urlopen(f"{url}/server_info", timeout=5):
            return True
    except OSError:
        return False


@contextmanager
def _port_taken_is_said(port: int) -> Iterator[None]:
    """Turn a failure to listen there into a StorageError: Dagster would say so in a long trace."""
    from mitt_assets.errors import StorageError

    try:
        yield
    except OSError as error:
        raise StorageError(
            f"port {port} cannot be used ({os.strerror(error.errno or 0)}); end what listens"
            f" there, or choose another: mitt ui --port {port + 10}"
        ) from error
