"""Ctrl-C and kills of worker processes: what they end, and that they end it without a word."""

from __future__ import annotations

import os
import subprocess
import sys
from multiprocessing import Pipe
from typing import Any

import pytest

from mitt_assets.assets.chain import build_graph
from mitt_assets.runner.plan import Plan
from mitt_assets.runner.pool import Pool, Worker
from mitt_assets.runner.worker import Job
from mitt_assets.study_file import load_study

HELD = """
import multiprocessing, os, signal
from mitt_assets.interrupts import held_back, let_through

worker = '''
import os, signal
from mitt_assets.interrupts import let_through
try:
    os.kill(os.getpid(), signal.SIGINT)
    print("began", flush=True)
    let_through()
    print("deaf", flush=True)
except KeyboardInterrupt:
    print("heard", flush=True)
'''
process = multiprocessing.get_context("spawn").Process(target=exec, args=(worker,))
try:
    with held_back():
        process.start()
        os.kill(os.getpid(), signal.SIGINT)
        print("waits", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
process.join()
"""
KILLED = """
import multiprocessing
from mitt_assets.interrupts import held_back

worker = '''
import multiprocessing, os, signal
lock = multiprocessing.get_context("spawn").Lock()
os.kill(os.getpid(), signal.SIGKILL)
'''
with held_back():
    process = multiprocessing.get_context("spawn").Process(target=exec, args=(worker,))
    process.start()
process.join()
print(process.exitcode)
"""
AT_EXIT = """
import atexit, os, signal
from mitt_assets.interrupts import end_at_once
end_at_once()
atexit.register(os.kill, os.getpid(), signal.SIGINT)
"""


def python(code: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, and all that it starts to the end."""
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **settings},
        timeout=60,
    )


def test_ctrl_c_waits_while_a_worker_begins_and_the_worker_hears_it_when_it_is_ready() -> None:
    done = python(HELD)
    assert done.stderr == ""
    assert done.stdout.split() == ["waits", "interrupted", "began", "heard"]


@pytest.mark.parametrize("settings", [{}, {"PYTHONWARNINGS": "default"}])
def test_what_a_killed_worker_leaves_is_removed_in_silence(settings: dict[str, str]) -> None:
    done = python(KILLED, **settings)
    assert (done.stdout.strip(), done.stderr) == ("-9", "")


def test_a_process_that_is_about_to_end_answers_ctrl_c_without_a_trace() -> None:
    done = python(AT_EXIT)
    assert (done.returncode, done.stderr) == (-2, "")


CLOSING = """
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool
from mitt_assets.interrupts import quiet_connections

quiet_connections()
engine = create_engine("sqlite://", poolclass=NullPool)
def close(connection):
    raise {error}("while closing")
connection = engine.connect()
engine.dialect.do_close = close
try:
    connection.close()
except KeyboardInterrupt:
    print("raised again")
"""


@pytest.mark.parametrize(
    ("error", "out", "logged"), [("KeyboardInterrupt", "raised again\n", 0), ("OSError", "", 1)]
)
def test_an_interrupt_is_not_logged_as_a_failure_of_a_connection(
    error: str, out: str, logged: int
) -> None:
    done = python(CLOSING.format(error=error))
    assert done.stdout == out
    assert done.stderr.count("Exception closing connection") == logged


class Endless:
    """A process that heeds nothing but a kill; the user loses patience while it is waited for."""

    pid = os.getpid()
    killed = False

    def is_alive(self) -> bool:
        return not self.killed

    def join(self, timeout: float) -> None:
        raise KeyboardInterrupt

    def kill(self) -> None:
        self.killed = True


def test_a_second_ctrl_c_ends_workers_that_do_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.kill", lambda *_: None)
    processes: list[Any] = [Endless(), Endless()]
    pipes = Pipe()
    workers = [Worker(n, processes[n], pipes[n], ready=True) for n in range(2)]
    nothing: Any = None
    plan = Plan(build_graph(load_study("organism")), [])
    pool = Pool(plan, nothing, Job("organism", None, 1, None), jobs=2, workers=workers)
    with pytest.raises(KeyboardInterrupt):
        pool.run()
    assert [process.killed for process in processes] == [True, True]
