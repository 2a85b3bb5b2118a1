"""``mitt run`` asked to end at any time: nothing on the terminal but what it says of itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mitt_assets.runner.pool import GRACE

STOPPED = "Stopped. Finished partitions and shards are kept; run again to go on.\n"

INTERRUPTED = (130, -signal.SIGINT)
"""A shell says 130 of both. Python takes the second where the signal fell into code that some
library gave it as text, as dataclasses do."""

Start = Callable[[], subprocess.Popen[str]]


@pytest.fixture
def start(study_file: Callable[..., Path]) -> Iterator[Start]:
    """Starts `mitt run` as a terminal does, in a group of its own."""
    started: list[subprocess.Popen[str]] = []

    def begin() -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "mitt_assets.cli", "run", "--jobs", "2", "--study"]
        process = subprocess.Popen(
            [*command, str(study_file())],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def reads(process: subprocess.Popen[str], words: str) -> None:
    """Wait for a line of the command's that holds these words."""
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return
    raise AssertionError(f"it ended without saying {words!r}")


def test_ctrl_c_while_workers_begin_is_silent(start: Start) -> None:
    run = start()
    reads(run, "Study mini")
    time.sleep(0.7)  # two workers are begun, and import for seconds
    os.killpg(run.pid, signal.SIGINT)
    out, err = run.communicate(timeout=60)
    assert (out, err) == (STOPPED, "")
    assert run.returncode in INTERRUPTED


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_workers_end_with_it_as_soon_as_they_can(start: Start, number: signal.Signals) -> None:
    run = start()
    reads(run, "[1/")
    asked = time.monotonic()
    run.send_signal(number)
    out, err = run.communicate(timeout=60)
    assert out.endswith(STOPPED)
    assert err == ""
    assert run.returncode in INTERRUPTED
    assert time.monotonic() - asked < GRACE, "a worker was waited for until it was killed"
