"""The home of a study: made once however many come at the same time, and refused in words."""

import logging
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dagster import DagsterInstance

from mitt_assets import instance as instance_module
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


class TestInstance:
    """Where `dagster dev` keeps its runs without DAGSTER_HOME, and homes that changed databases."""

    def test_a_temporary_folder_gives_way_to_the_home(self, tmp_path: Path) -> None:
        from dagster._core.instance.ref import InstanceRef

        home = Home(load_study("organism"))
        root = Path(__file__).parents[2]
        folder = tmp_path / ".tmp_dagster_home_x"
        reference = InstanceRef.from_dir(str(folder), config_dir=str(root))
        with DagsterInstance.from_ref(reference) as instance:
            assert Path(instance.root_directory) == home.dagster
            assert not instance.telemetry_enabled
        assert not folder.exists()
        elsewhere = InstanceRef.from_dir(str(tmp_path), config_dir=str(root))
        with DagsterInstance.from_ref(elsewhere) as instance:
            assert Path(instance.root_directory) == tmp_path

    def test_the_daemon_looks_at_backfills_every_few_seconds(self) -> None:
        from dagster._daemon.backfill import execute_backfill_iteration_loop

        # The daemon has loaded this when it makes its instance.
        import_module("dagster._daemon.controller")
        home, waits = Home(load_study("organism")), list[float]()
        home.prepare()
        with DagsterInstance.from_config(str(home.dagster)) as instance:
            context: Any = SimpleNamespace(instance=instance)
            ended: Any = SimpleNamespace(wait=waits.append)
            looks = execute_backfill_iteration_loop(context, logging.getLogger(), ended)
            while not waits:
                next(looks)
        assert 0 < waits[0] <= instance_module.TICK < 10

    def test_a_home_stays_with_its_database(self, monkeypatch: pytest.MonkeyPatch) -> None:
        home = Home(load_study("organism"))
        home.prepare()
        monkeypatch.setenv("MITT_POSTGRES", "postgresql://nobody@/nothing?host=/nowhere")
        with pytest.raises(StorageError, match="kept in sqlite, but MITT_POSTGRES asks"):
            home.prepare()

    def test_a_database_that_is_not_there_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MITT_POSTGRES", "postgresql://nobody:secret@/nothing?host=/nowhere")
        home = Home(load_study("organism"))
        with pytest.raises(StorageError, match="server that MITT_POSTGRES names running") as said:
            home.prepare()
        assert "secret" not in str(said.value)
        monkeypatch.delenv("MITT_POSTGRES")
        home.prepare()

    @pytest.mark.parametrize(
        "address",
        [
            "postgresql://u:s3cr3t@127.0.0.1:port/name",
            "postgresql://u:a@s3cr3t@127.0.0.1/name",
            "postgresql://u:a@b:s3cr3t@127.0.0.1/name",
            "postgres://u:s3cr3t@127.0.0.1/name",
            "sqlite:///s3cr3t.db",
            "host=127.0.0.1 password=s3cr3t",
        ],
    )
    def test_what_is_no_address_is_refused_without_a_word_of_it(
        self, address: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MITT_POSTGRES", address)
        with pytest.raises(StorageError, match="write postgresql://USER:PASSWORD@HOST") as said:
            Home(load_study("organism")).prepare()
        assert "s3cr3t" not in str(said.value)

    def test_a_missing_package_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MITT_POSTGRES", "postgresql://nobody@/nothing")
        monkeypatch.setattr(instance_module, "find_spec", lambda name: None)
        with pytest.raises(StorageError, match=r"pip install 'mitt-assets\[postgres\]'"):
            Home(load_study("organism")).prepare()
