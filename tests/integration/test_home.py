"""The home of a study: made once however many come at the same time, and refused in words."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mitt_assets.errors import StorageError
from mitt_assets.home import Home
from mitt_assets.study_file import load_study

EIGHT_AT_ONCE = """
import multiprocessing as mp
import dagster as dg
from mitt_assets.home import Home
from mitt_assets.study_file import load_study

def use(start):
    home = Home(load_study("organism"))
    start.wait()
    home.prepare()
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        instance.get_runs()
        instance.event_log_storage.get_concurrency_keys()
        instance.schedule_storage.all_instigator_state()

context = mp.get_context("fork")
start = context.Barrier(8)
running = [context.Process(target=use, args=(start,)) for _ in range(8)]
for process in running:
    process.start()
for process in running:
    process.join()
assert [process.exitcode for process in running] == [0] * 8
"""


def test_eight_processes_at_once_make_one_home(tmp_path: Path) -> None:
    """Without the lock, most of them die while creating the same database tables.

    They are forked, loaded and waiting, from one process, so that they really collide.
    """
    settings = {**os.environ, "MITT_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", EIGHT_AT_ONCE], env=settings, stderr=subprocess.PIPE, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_instance_is_silent_and_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dagster as dg

    monkeypatch.setenv("MITT_HOME", str(tmp_path))
    home = Home(load_study("organism"))
    home.prepare()
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        assert not instance.telemetry_enabled
        assert instance.run_monitoring_enabled
        assert instance.global_op_concurrency_default_limit == 1


@pytest.mark.parametrize("place", ["a file", "a file/below"])
def test_a_home_that_cannot_be_written_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "a file").write_bytes(b"")
    monkeypatch.setenv("MITT_HOME", str(tmp_path / place))
    with pytest.raises(StorageError, match="MITT_HOME"):
        Home(load_study("organism")).prepare()
