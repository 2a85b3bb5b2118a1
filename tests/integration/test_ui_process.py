"""`mitt ui`: what keeps it from starting is said; and whoever ends it, its services end with it.

They are services that only wait.
"""

from __future__ import annotations

import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mitt_assets.commands import ui
from mitt_assets.home import Home
from mitt_assets.study_file import load_study
from tests.commandline import invoke
from tests.ui.served import free_port

WAIT = """#!{python}
import os, sys, time
print("services", os.getpid(), flush=True)
try:
    time.sleep({seconds})
except KeyboardInterrupt:
    print("asked to end", flush=True)
"""
ATTENDING = """
import signal, sys
from pathlib import Path
from mitt_assets.commands import ui

signal.signal(signal.{number}, signal.SIG_IGN)
sys.executable, log = {program!r}, Path({log!r})
services = ui._start(1, {{}}, log, 2)
ui._answers = lambda url: "services" in log.read_text(encoding="utf-8")
sys.exit(ui._attend(services, "http://127.0.0.1:1", log))
"""

Attend = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "ui.log"


@pytest.fixture
def attend(tmp_path: Path, log: Path) -> Attend:
    """Starts `mitt ui` on services that end by themselves after ``seconds``."""

    def start(
        ignored: str = "SIGUSR1", seconds: float = 60, terminal: int = subprocess.PIPE
    ) -> subprocess.Popen[str]:
        program = tmp_path / "dagster"
        text = WAIT.format(python=sys.executable, seconds=seconds)
        program.write_text(text, encoding="utf-8")
        program.chmod(0o755)
        code = ATTENDING.format(number=ignored, program=str(tmp_path / "python"), log=str(log))
        return subprocess.Popen(
            [sys.executable, "-c", code], stdout=terminal, stderr=terminal, text=True
        )

    return start


def services_of(log: Path) -> int:
    """The process of the services, once they are there."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        words = log.read_text(encoding="utf-8").split() if log.exists() else []
        if len(words) > 1:
            time.sleep(1)  # until they are attended to
            return int(words[1])
        time.sleep(0.1)
    raise AssertionError("no services")


def end_of(process: int) -> bool:
    """Whether a process ends within some seconds; if not, it is ended here."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not Path(f"/proc/{process}").exists():
            return True
        time.sleep(0.1)
    os.kill(process, signal.SIGKILL)
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
@pytest.mark.parametrize("ignored", ["SIGUSR1", "SIGINT"])
def test_services_end_with_it_also_where_a_shell_began_it_in_the_background(
    attend: Attend, log: Path, number: signal.Signals, ignored: str
) -> None:
    """Such a shell has its children ignore SIGINT, and theirs inherit that."""
    command = attend(ignored)
    services = services_of(log)
    command.send_signal(number)
    assert end_of(services)
    assert "asked to end" in log.read_text(encoding="utf-8")
    said = "Ending the web interface" if number != signal.SIGKILL else ""
    assert said in command.communicate(timeout=30)[0]


def test_services_end_with_a_terminal_that_is_closed(attend: Attend, log: Path) -> None:
    ours, theirs = pty.openpty()
    command = attend(terminal=theirs)
    os.close(theirs)
    services = services_of(log)
    os.close(ours)
    command.send_signal(signal.SIGHUP)
    assert end_of(services)
    assert command.wait(30) == 0


def test_nohup_is_heeded(attend: Attend, log: Path) -> None:
    command = attend("SIGHUP")
    services = services_of(log)
    command.send_signal(signal.SIGHUP)
    time.sleep(1)
    assert command.poll() is None
    command.send_signal(signal.SIGTERM)
    assert end_of(services)
    command.communicate(timeout=30)


def test_services_that_end_by_themselves_are_a_failure(attend: Attend) -> None:
    command = attend(seconds=1)
    assert "ended by itself" in command.communicate(timeout=30)[1]
    assert command.returncode == 1


class TestRefused:
    """What cannot be shown is told in a sentence, and nothing is started."""

    @pytest.fixture(autouse=True)
    def starts_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def started(*arguments: object) -> None:
            raise AssertionError("services were started")

        monkeypatch.setattr(ui, "_start", started)

    def said(self, port: int) -> str:
        said = invoke("ui", "--study", "organism", "--port", str(port))
        assert said.exit_code == 1
        assert said.output.startswith("Error: ")
        assert "Traceback" not in said.output
        return said.output

    @pytest.mark.parametrize("after", [0, 1])
    def test_a_taken_port_or_the_one_after_it(self, after: int) -> None:
        port = free_port()
        with socket.create_server((ui.ADDRESS, port + after)):
            said = self.said(port)
        assert f"port {port + after} cannot be used (Address already in use)" in said
        assert "choose another: mitt ui --port" in said

    def test_a_home_that_another_shows(self) -> None:
        home = Home(load_study("organism"))
        home.prepare()
        lock = home.hold()
        assert f"another `mitt ui` shows {home.path} already" in self.said(free_port())
        os.close(lock)
