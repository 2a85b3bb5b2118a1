"""A backfill from the UI, German broken: English goes through, and so do the reports.

Then German is mended and retried, and what is left of it is cancelled.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from mitt_assets.home import Home, open_maker
from mitt_assets.lineage.statement import Record
from mitt_assets.materialise import Maker
from mitt_assets.runner.plan import Selection
from tests.commandline import mitt
from tests.conftest import MINIATURE
from tests.making import make_due
from tests.ui.served import ADDRESS, Served, free_port
from tests.ui.slots import MINUTE, START, holders, until, waiting

LAUNCH = """
mutation Launch($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
STATUS = """
query Status($id: String!) {
  partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } }
}
"""


RETRY_RUN = """
mutation Retry($id: String!) {
  launchRunReexecution(reexecutionParams: {parentRunId: $id, strategy: FROM_ASSET_FAILURE}) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
RETRY_BACKFILL = """
mutation Retry($id: String!) {
  reexecutePartitionBackfill(reexecutionParams: {parentRunId: $id, strategy: FROM_FAILURE}) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
CANCEL = """
mutation Cancel($id: String!) {
  cancelPartitionBackfill(backfillId: $id) { __typename ... on PythonError { message } }
}
"""
GERMAN = "de|llama"
OVER = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


@pytest.fixture
def study(study_file: Callable[..., Path]) -> Path:
    languages = {code: MINIATURE["languages"][code] for code in ("en", "de")}  # type: ignore[index]
    return study_file(
        languages=languages,
        windows={"segments": 4, "rolling": 1, "candidates": ["en", "de"]},
        variants={"base": {}},
        statistics={"resamples": 100, "comparisons": []},
    )


def make_before(maker: Maker, chain: list[str]) -> None:
    """What the chain rests on: problems, translations, the models."""
    make_due(maker, Selection(assets=tuple({*maker.graph.steps} - {*chain})))


Stored = dict[tuple[str, str | None], Record]


def stored_now(maker: Maker) -> Stored:
    """What is stored; every byte of it is read."""
    records = maker.store.records()
    for record in records:
        maker.store.verify(record)
    return {(one.asset, one.partition): one for one in records}


def runs_of(instance: dg.DagsterInstance, backfill: str) -> list[dg.DagsterRun]:
    """The runs that a backfill launched."""
    return list(instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": backfill})))


def status_of(ui: Served, backfill: str) -> str:
    """Of a backfill."""
    return str(ui.ask(STATUS, {"id": backfill})["partitionBackfillOrError"]["status"])


@pytest.mark.timeout(900)
def test_a_backfill_of_the_chain_stops_german_only(
    study: Path, tmp_path: Path, own_home: Path
) -> None:
    """Then German alone is retried, once its cause is mended, and the rest of it cancelled."""
    maker = open_maker(str(study))
    home = Home(maker.graph.study)
    home.prepare()
    chain = [one.asset for one in maker.graph.steps.values() if one.group in ("base", "reports")]
    make_before(maker, chain)
    keys = [{"path": asset.split("/")} for asset in chain]
    port = free_port()
    program = str(Path(sys.executable).with_name("dagster"))
    command = [program, "dev", "-h", ADDRESS, "-p", str(port), "-m", "tests.ui.broken_german"]
    settings = {"DAGSTER_HOME": str(home.dagster), "MITT_STUDY": str(study)}
    with (
        Served(command, port, settings, tmp_path / "dagster.log") as ui,
        dg.DagsterInstance.from_config(str(home.dagster)) as instance,
    ):
        launched = ui.ask(LAUNCH, {"params": {"assetSelection": keys, "allPartitions": True}})
        backfill = launched["launchPartitionBackfill"]["backfillId"]

        def ended() -> str | None:
            status = status_of(ui, backfill)
            return None if status in ("REQUESTED", "IN_PROGRESS") else status

        assert ui.wait(ended, "the backfill to end", 600) == "COMPLETED_FAILED"
        ui.wait(lambda: maker.store.current("reports/study", None), "the report", 200)
        stored = german_is_stopped(maker)
        (own_home / "mended").touch()
        stored = german_is_retried_alone(ui, instance, backfill, maker, stored)
        (own_home / "held").touch()
        cancelling_leaves_a_clean_state(ui, instance, backfill, maker, stored)
    said = json.loads(mitt("status", "--study", str(study), "--json"))["partitions"]
    states = {(one["asset"], one["partition"]): one["state"] for one in said}
    assert {key for key, state in states.items() if state == "missing"} == {
        ("base/consistency", GERMAN)
    }
    # Reports are to be made again, now that there is German to report on; all else is as it was.
    again = {asset for (asset, _), state in states.items() if state == "stale"}
    assert again
    assert {maker.graph.step(asset).group for asset in again} == {"reports"}
    assert set(states.values()) == {"fresh", "stale", "missing"}


def german_is_stopped(maker: Maker) -> Stored:
    """Its traces are kept and refused, nothing was made of them, and the reports say so."""
    stored = stored_now(maker)
    assert {key for key in stored if key[1] == GERMAN} == {("base/traces", GERMAN)}
    assert {("base/probes", "en|llama"), ("base/consistency", "en|llama")} <= set(stored)
    assert "the seed is" in str(maker.gate.refusal(stored["base/traces", GERMAN]))
    page = maker.store.read(maker.required("reports/study", None), "report.html").decode("utf-8")
    assert "base/traces[de|llama], whose checks failed" in page
    scaling = maker.store.table(maker.required("reports/scaling", None))
    assert "en" in set(scaling["language"])
    assert "de" not in set(scaling["language"])
    return stored


def german_is_retried_alone(
    ui: Served, instance: dg.DagsterInstance, backfill: str, maker: Maker, before: Stored
) -> Stored:
    """The run that failed, executed again "from asset failure", touches no other partition."""
    failed = [one for one in runs_of(instance, backfill) if one.is_failure]
    assert [one.tags["dagster/partition"] for one in failed] == [GERMAN]
    said = ui.ask(RETRY_RUN, {"id": failed[0].run_id})["launchRunReexecution"]
    assert said["__typename"] == "LaunchRunSuccess", said
    retry = said["run"]["runId"]

    def over() -> dg.DagsterRun | None:
        found = instance.get_run_by_id(retry)
        return found if found and found.status in OVER else None

    done = ui.wait(over, "the retry", START)
    assert done.is_success
    assert done.tags["dagster/partition"] == GERMAN
    now = stored_now(maker)
    changed = {key for key, one in now.items() if before.get(key) != one}
    assert {key[1] for key in changed} == {GERMAN}
    assert {("base/traces", GERMAN), ("base/probes", GERMAN)} <= changed
    assert {now[key].run_id for key in changed} == {retry}
    assert maker.gate.refusal(now["base/traces", GERMAN]) is None
    return now


def cancelling_leaves_a_clean_state(
    ui: Served, instance: dg.DagsterInstance, backfill: str, maker: Maker, before: Stored
) -> None:
    """What comes after German's traces is asked for, and cancelled while it holds the pool."""
    said = ui.ask(RETRY_BACKFILL, {"id": backfill})["reexecutePartitionBackfill"]
    assert said["__typename"] == "LaunchBackfillSuccess", said
    again = said["backfillId"]
    holder = until(lambda: holders(instance), START, "the run to hold the pool")
    assert [(one.run_id, one.tags["dagster/partition"]) for one in runs_of(instance, again)] == [
        (holder, GERMAN)
    ]
    said = ui.ask(CANCEL, {"id": again})["cancelPartitionBackfill"]
    assert said["__typename"] == "CancelBackfillSuccess", said
    ui.wait(lambda: status_of(ui, again) == "CANCELED", "the end of the cancelled", MINUTE)
    ui.wait(lambda: not holders(instance) | waiting(instance), "the pool to be free", MINUTE)
    assert [one.status for one in runs_of(instance, again)] == [dg.DagsterRunStatus.CANCELED]
    assert [one for one in instance.get_runs() if one.status not in OVER] == []
    assert stored_now(maker) == before
