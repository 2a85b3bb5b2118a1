"""Backfills ready made: exactly the partitions that are wanted, as the daemon would run them."""

from __future__ import annotations

import shutil
from pathlib import Path

import dagster as dg
import pytest

from mitt_assets.asset_specs import key_of
from mitt_assets.home import Home, open_maker
from mitt_assets.materialise import Maker
from mitt_assets.presets import presets
from resources.storage import pointer_path


@pytest.fixture
def maker(finished: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Maker:
    """The finished study in a home of the test's own."""
    shutil.copytree(finished[0], tmp_path / "copy", symlinks=True)
    monkeypatch.setenv("MITT_HOME", str(tmp_path / "copy"))
    return open_maker(str(finished[1]))


def forget(maker: Maker, asset: str, partition: str | None) -> None:
    """As if a partition had never been made."""
    maker.store.storage.remove_pointer(f"refs/{pointer_path(asset, partition)}.json")


def launched(maker: Maker, name: str, **settings: str) -> set[tuple[str, str | None]]:
    """The partitions of the backfill that a preset asks for; empty if it asks for none."""
    (job,) = (one for one in presets(maker.graph, maker) if one.name == name)
    config = {"ops": {f"ask_for_{name}": {"config": settings}}}
    with dg.DagsterInstance.from_config(str(Home(maker.graph.study).dagster)) as instance:
        assert job.execute_in_process(
            run_config=config if settings else {}, instance=instance
        ).success
        backfills = instance.get_backfills()
        if not backfills:
            return set()
        (backfill,) = backfills
        assert backfill.tags["mitt/preset"] == name
        assert {
            f"mitt/{key}": value for key, value in settings.items()
        }.items() <= backfill.tags.items()
        subset = backfill.asset_backfill_data.target_subset
        return {
            ("/".join(one.asset_key.path), one.partition_key)
            for one in subset.iterate_asset_partitions()
        }


def test_nothing_is_asked_for_where_everything_is_up_to_date(maker: Maker) -> None:
    assert launched(maker, "everything") == set()


def test_one_language_is_its_missing_partitions_and_what_reads_them(maker: Maker) -> None:
    gone = [("base/probes", "tl|llama"), ("base/probes", "de|llama"), ("mitt/windows", "tl|llama")]
    for one in gone:
        forget(maker, *one)
    wanted = launched(maker, "one_language", language="tl")
    reports = {task for task in wanted if task[0].startswith("reports/")}
    assert wanted - reports == {("base/probes", "tl|llama"), ("mitt/windows", "tl|llama")}
    assert ("reports/scaling", None) in reports


def test_everything_is_all_that_is_missing_in_the_order_of_the_graph(maker: Maker) -> None:
    for key in maker.graph.partitions("mitt/adapter"):
        forget(maker, "mitt/adapter", key)
    wanted = launched(maker, "everything")
    chain = {task for task in maker.graph.all_partitions if task[0].startswith("mitt/")}
    made_of = {"mitt/training_traces", "mitt/training_set"}
    assert {task for task in wanted if task[0].startswith("mitt/")} == {
        task for task in chain if task[0] not in made_of
    }
    assert not any(task[0].startswith(("base/", "own_prefix/")) for task in wanted)


def test_the_reports_are_a_job_of_their_own(maker: Maker) -> None:
    (job,) = (one for one in presets(maker.graph, maker) if one.name == "reports")
    reports = {key_of(one) for one in maker.graph.steps if one.startswith("reports/")}
    assert (
        job.selection == dg.AssetSelection.assets(*reports)
        or set(job.selection.selected_keys) == reports
    )
