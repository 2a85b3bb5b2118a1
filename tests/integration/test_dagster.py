"""The same graph as Dagster sees it: partitions, mappings, runs and versions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from checks.dagster_checks import checks_of
from mitt_assets.asset_specs import key_of
from mitt_assets.assets.chain import build_graph
from mitt_assets.dagster_assets import assets_of
from mitt_assets.graph import Graph
from mitt_assets.home import Home, open_maker
from mitt_assets.materialise import Maker
from mitt_assets.runner.reclaim import reclaim
from mitt_assets.study_file import load_study
from resources.services import StudyServices
from tests.commandline import mitt


@pytest.fixture(scope="module")
def graph() -> Graph:
    return build_graph(load_study("organism"))


@pytest.fixture(scope="module")
def assets(
    graph: Graph, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dg.AssetsDefinition]:
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MITT_HOME", str(folder))
        home = Home(graph.study)
        return assets_of(graph, Maker(graph, home.store(), home.scratch))


def test_dagster_reads_the_same_partitions_as_the_graph(
    graph: Graph, assets: dict[str, dg.AssetsDefinition]
) -> None:
    for asset, step in graph.steps.items():
        down = assets[asset].partitions_def
        for one in step.inputs:
            up = assets[one.asset].partitions_def
            if up is None or down is None:
                continue
            mapping = assets[asset].get_partition_mapping(key_of(one.asset))
            assert mapping is not None
            for key in graph.partitions(asset):
                result = mapping.get_upstream_mapped_partitions_result_for_partitions(
                    down.subset_with_partition_keys([str(key)]), down, up
                )
                found = set(result.partitions_subset.get_partition_keys())
                assert found == {k for _, k in graph.inputs(asset, key)[one.name]}, (asset, key)


def test_partition_names_are_the_graph_s(
    graph: Graph, assets: dict[str, dg.AssetsDefinition]
) -> None:
    for asset in graph.steps:
        definition = assets[asset].partitions_def
        keys = [str(k) for k in definition.get_partition_keys()] if definition else [None]
        assert sorted(map(str, keys)) == sorted(map(str, graph.partitions(asset)))


def test_definitions_load_for_every_shipped_study(monkeypatch: pytest.MonkeyPatch) -> None:
    from mitt_assets.definitions import build

    for name in ("organism", "paper"):
        monkeypatch.setenv("MITT_STUDY", name)
        dg.Definitions.validate_loadable(build())


def test_a_run_is_in_the_instance_with_its_content_as_version(
    study_file: Callable[..., Path],
) -> None:
    study = study_file()
    mitt(
        "run", "--study", str(study), "--select", "translations", "--language", "de", "--jobs", "1"
    )
    maker = open_maker(str(study))
    record = maker.store.current("translations", "de")
    assert record is not None
    home = Home(maker.graph.study)
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        event = instance.fetch_materializations(
            dg.AssetRecordsFilter(key_of("translations"), asset_partitions=["de"]), limit=1
        ).records[0]
        assert event.asset_materialization is not None
        tags = event.asset_materialization.tags or {}
        assert tags["dagster/data_version"] == record.content
        run = instance.get_run_by_id(event.run_id)
        assert run is not None
        assert run.status == dg.DagsterRunStatus.SUCCESS
        assert record.run_id == run.run_id


def test_materialising_in_dagster_is_seen_by_the_command_line(
    study_file: Callable[..., Path],
) -> None:
    study = study_file()
    maker = open_maker(str(study))
    home = Home(maker.graph.study)
    home.prepare()
    services = StudyServices(maker.graph.study, home.cache, "cpu")
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        result = dg.materialize(
            [assets_of(maker.graph, maker)["problems"], checks_of(maker.graph, maker)["problems"]],
            instance=instance,
            resources={"gpu": services},
        )
    assert result.success
    assert "1 up to date" in mitt(
        "run", "--study", str(study), "--select", "problems", "--jobs", "1"
    )


def test_a_failed_step_says_why_and_is_not_retried(study_file: Callable[..., Path]) -> None:
    maker = open_maker(str(study_file()))
    home = Home(maker.graph.study)
    home.prepare()
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        result = dg.materialize(
            [assets_of(maker.graph, maker)["base/windows"]],
            partition_key="de|llama",
            instance=instance,
            resources={"gpu": StudyServices(maker.graph.study, home.cache, "cpu")},
            raise_on_error=False,
        )
    assert not result.success
    failure = next(e for e in result.all_events if e.is_step_failure).step_failure_data
    assert failure.user_failure_data is not None
    assert "base/traces[de|llama]" in str(failure.user_failure_data.description)


def test_a_dead_run_is_failed_and_its_pool_slot_freed(study_file: Callable[..., Path]) -> None:
    import socket
    import subprocess

    from mitt_assets.dagster_assets import POOL
    from mitt_assets.processes import HOST_TAG, PID_TAG

    gone = subprocess.Popen(["true"])
    gone.wait()
    home = Home(load_study(study_file()))
    home.prepare()

    @dg.op(pool=POOL)
    def hold() -> None:
        """Never runs."""

    @dg.job
    def holder() -> None:
        hold()

    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        storage = instance.event_log_storage
        storage.set_concurrency_slots(POOL, 1)
        run = instance.create_run_for_job(
            holder,
            status=dg.DagsterRunStatus.STARTED,
            tags={HOST_TAG: socket.gethostname(), PID_TAG: f"{gone.pid}:1"},
        )
        assert storage.claim_concurrency_slot(POOL, run.run_id, "hold").is_claimed
        assert not storage.claim_concurrency_slot(POOL, "another", "hold").is_claimed
        storage.free_concurrency_slots_for_run("another")
        assert reclaim(instance) == [run.run_id]
        found = instance.get_run_by_id(run.run_id)
        assert found is not None
        assert found.status == dg.DagsterRunStatus.FAILURE
        assert storage.claim_concurrency_slot(POOL, "next", "hold").is_claimed
