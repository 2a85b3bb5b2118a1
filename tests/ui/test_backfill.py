"""A backfill from the UI, German broken: English goes through, and so do the reports."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mitt_assets.home import Home, open_maker
from mitt_assets.materialise import Maker
from resources.services import StudyServices
from tests.conftest import MINIATURE
from tests.ui.served import ADDRESS, Served, free_port

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
    services = StudyServices(maker.graph.study, Home(maker.graph.study).cache, "cpu")
    for asset, partition in maker.graph.all_partitions:
        if asset not in chain:
            maker.gate.ensure(maker.make(asset, partition, services, "before").record, services)
    services.close()


@pytest.mark.timeout(900)
def test_a_backfill_of_the_chain_stops_german_only(study: Path, tmp_path: Path) -> None:
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
    with Served(command, port, settings, tmp_path / "dagster.log") as ui:
        launched = ui.ask(LAUNCH, {"params": {"assetSelection": keys, "allPartitions": True}})
        backfill = launched["launchPartitionBackfill"]["backfillId"]

        def ended() -> str | None:
            status = ui.ask(STATUS, {"id": backfill})["partitionBackfillOrError"]["status"]
            return None if status in ("REQUESTED", "IN_PROGRESS") else str(status)

        assert ui.wait(ended, "the backfill to end", 600) == "COMPLETED_FAILED"
        ui.wait(lambda: maker.store.current("reports/study", None), "the report", 200)
    stored = {(record.asset, record.partition) for record in maker.store.records()}
    assert ("base/traces", "de|llama") in stored
    assert {key for key in stored if key[1] == "de|llama"} == {("base/traces", "de|llama")}
    assert {("base/probes", "en|llama"), ("base/consistency", "en|llama")} <= stored
    german = maker.required("base/traces", "de|llama")
    assert "the seed is" in str(maker.gate.refusal(german))
    page = maker.store.read(maker.required("reports/study", None), "report.html").decode("utf-8")
    assert "base/traces[de|llama], whose checks failed" in page
    scaling = maker.store.table(maker.required("reports/scaling", None))
    assert "en" in set(scaling["language"])
    assert "de" not in set(scaling["language"])
