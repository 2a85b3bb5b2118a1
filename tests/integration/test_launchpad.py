"""What the launchpad offers for a run is refused out of bounds, before there is a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mitt_assets.definitions import build

TRACES = "base__traces"


@pytest.fixture
def definitions(study_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> dg.Definitions:
    monkeypatch.setenv("MITT_STUDY", str(study_file()))
    return build()


def launch(definitions: dg.Definitions, config: dict[str, Any]) -> None:
    """Ask for a run as the web server does: its plan is made first."""
    from dagster._core.execution.api import create_execution_plan

    job = definitions.resolve_implicit_global_asset_job_def()
    create_execution_plan(job.get_subset(asset_selection={dg.AssetKey(["base", "traces"])}), config)


@pytest.mark.parametrize("seconds", [0, 601, -5])
def test_a_number_out_of_bounds_is_refused_with_the_bounds(
    definitions: dg.Definitions, seconds: int
) -> None:
    config = {"ops": {TRACES: {"config": {"log_every": seconds}}}}
    with pytest.raises(
        dg.DagsterInvalidConfigError, match=f"{seconds} is out of bounds: give 1 to 600"
    ):
        launch(definitions, config)


def test_within_bounds_or_left_alone_it_is_taken(definitions: dg.Definitions) -> None:
    launch(definitions, {"ops": {TRACES: {"config": {"log_every": 600}}}})
    launch(definitions, {})


def test_a_device_that_there_is_not_is_refused_with_those_there_are(
    definitions: dg.Definitions,
) -> None:
    config = {"resources": {"gpu": {"config": {"device": "tpu"}}}}
    with pytest.raises(dg.DagsterInvalidConfigError, match="tpu"):
        launch(definitions, config)


@pytest.mark.parametrize("setting", [{"study": "paper"}, {"cache": "/tmp"}])
def test_a_run_cannot_choose_another_study_s_models(
    definitions: dg.Definitions, setting: dict[str, str]
) -> None:
    config = {"resources": {"gpu": {"config": setting}}}
    with pytest.raises(dg.DagsterInvalidConfigError, match=next(iter(setting))):
        launch(definitions, config)


@pytest.mark.parametrize(
    ("job", "config"), [("one_language", {"language": "xx"}), ("one_model", {"model": "none"})]
)
def test_a_preset_takes_names_of_the_study_only(
    definitions: dg.Definitions, job: str, config: dict[str, str]
) -> None:
    asked = {"ops": {f"ask_for_{job}": {"config": config}}}
    with pytest.raises(dg.DagsterInvalidConfigError):
        dg.validate_run_config(definitions.get_job_def(job), asked)
