"""Twelve partitions begun at the same moment, each by a process of its own, on a fresh instance."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import dagster as dg
import pytest
import yaml

from mitt_assets.errors import StorageError
from mitt_assets.home import Home, open_maker
from mitt_assets.instance import POSTGRES
from resources.services import StudyServices
from tests.conftest import MINIATURE
from tests.ui.postgres import postgres

pytestmark = pytest.mark.xdist_group("at_once")
MODELS = ("llama", "llama-long", "qwen", "qwen-long")
TWELVE = """
import multiprocessing as mp, sys
import dagster as dg
# What costs seconds is loaded before the fork, so that the processes really collide.
import alembic.command, matplotlib.figure, polars, torch
import dagster._core.storage.sqlite_storage, dagster_postgres
import mitt_assets.instance, mitt_assets.shown.metadata, resources.engines.transformers_engine
from transformers import LlamaForCausalLM, Qwen2ForCausalLM
from mitt_assets.dagster_assets import POOL, assets_of
from mitt_assets.home import Home, open_maker
from mitt_assets.lineage.environment import code_state, environment
from mitt_assets.standing import code_of
from resources.services import StudyServices

def make(key, start):
    maker = open_maker(None)
    home = Home(maker.graph.study)
    start.wait()
    home.prepare()
    traces = assets_of(maker.graph, maker)["base/traces"]
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        instance.event_log_storage.set_concurrency_slots(POOL, 12)
        done = dg.materialize(
            [traces],
            partition_key=key,
            instance=instance,
            resources={"gpu": StudyServices(maker.graph.study, home.cache, "cpu")},
            raise_on_error=False,
        )
    sys.exit(0 if done.success else 1)

context = mp.get_context("fork")
graph = open_maker(None).graph
keys = graph.partitions("base/traces")
environment(), code_state(), [code_of(step) for step in graph.steps.values()]
start = context.Barrier(len(keys))
running = [context.Process(target=make, args=(str(key), start)) for key in keys]
for process in running:
    process.start()
for process in running:
    process.join()
assert [process.exitcode for process in running] == [0] * 12, [p.exitcode for p in running]
"""


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of three languages and four models, everything above its traces made, no instance."""
    folder = tmp_path_factory.mktemp("before")
    study = {
        **MINIATURE,
        "models": {name: {"source": f"organism:{name}"} for name in MODELS},
        "problems": {**MINIATURE["problems"], "evaluation": {"count": 1, "seed": 90}},  # type: ignore[dict-item]
        "generation": {"samples": 1, "budget": 64, "answer_tokens": 8, "waits": 1},
        "variants": {"base": {}},
        "statistics": {"comparisons": []},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MITT_HOME", str(folder / "home"))
        maker = open_maker(str(folder / "study.yaml"))
        home = Home(maker.graph.study)
        services = StudyServices(maker.graph.study, home.cache, "cpu")
        for asset in ("problems", "translations", "base_model"):
            for key in maker.graph.partitions(asset):
                maker.gate.judge(maker.make(asset, key, services, "before").record, services)
        assert not home.dagster.exists()
    return folder


@pytest.fixture
def twelve(before: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The study, in a home of the test's own."""
    shutil.copytree(before / "home", tmp_path / "home", symlinks=True)
    monkeypatch.setenv("MITT_STUDY", str(before / "study.yaml"))
    return before / "study.yaml"


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where runs are kept."""
    with ExitStack() as stack:
        if request.param == "postgres":
            monkeypatch.setenv(POSTGRES, stack.enter_context(postgres()))
        yield request.param


@pytest.mark.timeout(600)
def test_twelve_partitions_launched_at_once_all_succeed(twelve: Path, database: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWELVE], env=os.environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-4000:]
    maker = open_maker(None)
    home = Home(maker.graph.study)
    assert [one.asset for one in maker.store.records()].count("base/traces") == 12
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        runs = instance.get_runs()
        assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS] * 12
        keys = instance.get_materialized_partitions(dg.AssetKey(["base", "traces"]))
        assert keys == set(map(str, maker.graph.partitions("base/traces")))
    if database == "postgres":
        assert not list(home.dagster.rglob("*.db"))
        _another_home_is_refused(home)


def _another_home_is_refused(home: Home) -> None:
    """A database has the runs of one home; and a home stays with its database."""
    (home.dagster / ".storage").unlink()  # killed between the two, or a folder that was lost
    home.prepare()
    other = Home(home.study.model_copy(update={"name": "other"}))
    with pytest.raises(StorageError, match=r"keeps the runs of .*mini.* empty one"):
        other.prepare()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(POSTGRES)
        with pytest.raises(StorageError, match="kept in postgres"):
            home.prepare()
