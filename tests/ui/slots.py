"""The GPU's pool from outside: who holds its slot, who waits, and what stopping or killing does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg

from mitt_assets.dagster_assets import POOL
from mitt_assets.processes import PID_TAG

MINUTE = 60.0
"""The next one must have the slot by then."""
START = 3 * MINUTE
"""Seconds in which a process must have started, on two busy cores."""


def holders(instance: dg.DagsterInstance) -> set[str]:
    """Runs that hold a slot."""
    return set(instance.event_log_storage.get_concurrency_info(POOL).active_run_ids)


def waiting(instance: dg.DagsterInstance) -> set[str]:
    """Runs in line for one."""
    return set(instance.event_log_storage.get_concurrency_info(POOL).pending_run_ids)


def until(found: Callable[[], set[str]], seconds: float, what: str) -> str:
    """The one run of a set, as soon as there is one."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if runs := found():
            (run,) = runs
            return run
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds} s for {what}")


def process_of(instance: dg.DagsterInstance, run: str) -> int:
    """The process a run is in."""
    found = instance.get_run_by_id(run)
    assert found is not None
    return int(found.tags[PID_TAG].partition(":")[0])


def freeze(process: int) -> None:
    """Stop a process where it is: it holds what it holds until it is killed."""
    os.kill(process, signal.SIGSTOP)


def kill(process: int) -> None:
    """As `kill -9`, or the kernel out of memory."""
    os.kill(process, signal.SIGKILL)


def start_mitt_run(study: Path, language: str, model: str = "llama") -> subprocess.Popen[bytes]:
    """`mitt run` of one partition of traces in a process of its own."""
    chosen = ["--select", "base/traces", "--language", language, "--model", model]
    command = [sys.executable, "-m", "mitt_assets.cli", "run", "--study", str(study), *chosen]
    return subprocess.Popen(
        [*command, "--force", "--jobs", "1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
