"""A run killed with -9 while it holds the GPU's slot: the next one has it within a minute.

The holder is stopped first, so that the next one really waits for a slot that nobody gives back.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mitt_assets.dagster_assets import POOL
from mitt_assets.home import Home
from mitt_assets.study_file import load_study
from tests.ui.conftest import Shown
from tests.ui.slots import (
    MINUTE,
    START,
    freeze,
    holders,
    kill,
    process_of,
    start_mitt_run,
    until,
    waiting,
)

LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""


def launch_traces(shown: Shown, language: str, model: str) -> str:
    """One partition, launched as the browser does; the run's id."""
    place = {"repositoryName": "__repository__", "repositoryLocationName": "mitt"}
    assets = [{"path": ["base", "traces"]}]
    selector: dict[str, Any] = {**place, "jobName": "__ASSET_JOB", "assetSelection": assets}
    tags = {"": f"{language}|{model}", "/language": language, "/model": model}
    said = shown.ui.ask(
        LAUNCH,
        {
            "params": {
                "selector": selector,
                "mode": "default",
                "executionMetadata": {
                    "tags": [
                        {"key": f"dagster/partition{name}", "value": value}
                        for name, value in tags.items()
                    ]
                },
            }
        },
    )["launchRun"]
    assert said["__typename"] == "LaunchRunSuccess", said
    return str(said["run"]["runId"])


@pytest.mark.xdist_group("shown")
@pytest.mark.timeout(900)
def test_after_the_browser_s_run_and_after_that_of_mitt_run(shown: Shown) -> None:
    with shown.instance() as instance:
        instance.event_log_storage.set_concurrency_slots(POOL, 1)
        first = launch_traces(shown, "en", "llama")
        assert until(lambda: holders(instance), START, "the browser's run to begin") == first
        freeze(process_of(instance, first))
        command = start_mitt_run(shown.study, "en", "qwen")
        second = until(lambda: waiting(instance), START, "mitt run to wait")
        kill(process_of(instance, first))
        got = until(lambda: holders(instance) - {first}, MINUTE, "mitt run to get the slot")
        assert got == second
        freeze(process_of(instance, second))
        third = launch_traces(shown, "en", "llama")
        # Dagster keeps a launched run in its queue until the pool has room for it.
        queued = dg.DagsterRunStatus.QUEUED
        shown.ui.wait(lambda: status_of(instance, third) == queued, "the line", START)
        assert holders(instance) == {second}
        kill(command.pid)
        kill(process_of(instance, second))
        command.wait()
        got = until(lambda: holders(instance) - {second}, MINUTE, "the browser's run to go on")
        assert got == third
        status = dg.DagsterRunStatus.SUCCESS
        shown.ui.wait(lambda: status_of(instance, third) == status, "the third run", START)
        assert {status_of(instance, one) for one in (first, second)} == {
            dg.DagsterRunStatus.FAILURE
        }


@pytest.mark.timeout(900)
def test_after_mitt_run_while_another_waits_and_no_daemon_looks(
    study_file: Callable[..., Path],
) -> None:
    study = study_file()
    home = Home(load_study(study))
    home.prepare()
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        command = start_mitt_run(study, "en")
        first = until(lambda: holders(instance), START, "mitt run to begin")
        freeze(process_of(instance, first))
        other = start_mitt_run(study, "de")
        second = until(lambda: waiting(instance), START, "the other to wait")
        kill(command.pid)
        kill(process_of(instance, first))
        command.wait()
        got = until(lambda: holders(instance) - {first}, MINUTE, "the other to get the slot")
        assert got == second
        assert other.wait(START) == 0
        assert status_of(instance, second) == dg.DagsterRunStatus.SUCCESS


def status_of(instance: dg.DagsterInstance, run: str) -> dg.DagsterRunStatus:
    """The status of a run."""
    found = instance.get_run_by_id(run)
    assert found is not None
    return found.status
