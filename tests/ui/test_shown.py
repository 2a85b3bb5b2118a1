"""The same server by its GraphQL: what it shares with the command line, and a failing backfill.

It goes on where the browser's tests end; each of these makes what it needs that is not there.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.ui.conftest import Shown

pytestmark = [pytest.mark.xdist_group("shown"), pytest.mark.timeout(900)]

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
LATEST = """
query Latest($key: AssetKeyInput!, $partitions: [String!]) {
  assetOrError(assetKey: $key) {
    ... on Asset {
      assetMaterializations(partitions: $partitions, limit: 1) { runId tags { key value } }
    }
  }
}
"""


def key(asset: str) -> dict[str, Any]:
    """An asset as GraphQL names it."""
    return {"path": asset.split("/")}


def test_what_the_command_line_made_and_what_the_browser_made_have_the_same_versions(
    shown: Shown,
) -> None:
    by: dict[str, int] = {"mitt run": 0, "the browser": 0}
    for record in shown.maker().store.records():
        partitions = None if record.partition is None else [record.partition]
        found = shown.ui.ask(LATEST, {"key": key(record.asset), "partitions": partitions})
        (latest,) = found["assetOrError"]["assetMaterializations"]
        tags = {tag["key"]: tag["value"] for tag in latest["tags"]}
        assert tags["dagster/data_version"] == record.content
        assert latest["runId"] == record.run_id
        with shown.instance() as instance:
            run = instance.get_run_by_id(record.run_id)
        assert run is not None
        by["mitt run" if run.tags.get("mitt/by") == "mitt run" else "the browser"] += 1
    assert all(by.values()), by


def test_a_backfill_stops_where_german_fails_and_the_reports_say_so(shown: Shown) -> None:
    maker = shown.maker()
    chain = [step.asset for step in maker.graph.steps.values() if step.group == "base"]
    reports = [step.asset for step in maker.graph.steps.values() if step.group == "reports"]
    german = {"range": {"start": "de", "end": "de"}}
    both = {"range": {"start": "de|llama", "end": "de|llama"}}
    asked = [
        {"assetKey": key("translations"), "partitions": german},
        *({"assetKey": key(asset), "partitions": both} for asset in chain),
        *({"assetKey": key(asset)} for asset in reports),
    ]
    before = maker.required("reports/study", None).statement
    launched = shown.ui.ask(LAUNCH, {"params": {"partitionsByAssets": asked}})
    backfill = launched["launchPartitionBackfill"]["backfillId"]

    def ended() -> str | None:
        status = shown.ui.ask(STATUS, {"id": backfill})["partitionBackfillOrError"]["status"]
        return None if status in ("REQUESTED", "IN_PROGRESS") else str(status)

    assert shown.ui.wait(ended, "the backfill to end", 400) == "COMPLETED_FAILED"
    stored = {record.asset for record in maker.store.records() if "de" in str(record.partition)}
    assert stored == {"translations"}
    assert "every number" in str(maker.gate.refusal(maker.required("translations", "de")))
    shown.ui.wait(
        lambda: maker.required("reports/study", None).statement != before, "the reports", 240
    )
    page = maker.store.read(maker.required("reports/study", None), "report.html").decode("utf-8")
    assert "translations[de]" in page
    scaling = maker.store.table(maker.required("reports/scaling", None))
    assert "en" in set(scaling["language"])
    assert "de" not in set(scaling["language"])
