"""Reports after a backfill in which something failed.

Dagster launches nothing downstream of a failure in the same backfill. Reports do without what
failed and say so; when a backfill that asked for them has ended with failures, they are made.
"""

# No `from __future__ import annotations`: Dagster reads the type of a sensor's context.

from collections.abc import Iterator

import dagster as dg

# No public name asks an instance for its backfills; the exact pin guards against a move.
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus

from mitt_assets.asset_specs import key_of
from mitt_assets.graph import Graph

REPORTS = "reports"
"""The group of assets that take the partitions there are."""
LOOKED_AT = 20
"""Failed backfills looked at, the latest first; one that was answered is not answered again."""


def reports_after_backfill(graph: Graph) -> dg.SensorDefinition:
    """Asks for the reports once for every backfill that wanted them and ended with failures."""
    reports = [key_of(step.asset) for step in graph.steps.values() if step.group == REPORTS]

    @dg.sensor(
        name="reports_after_backfill",
        target=dg.AssetSelection.assets(*reports),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=10,
        description="Makes the reports of a backfill whose failures kept them from being launched.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest]:
        """Makes the reports of a backfill whose failures kept them from being launched."""
        failed = BulkActionsFilter(statuses=[BulkActionStatus.COMPLETED_FAILED])
        for backfill in context.instance.get_backfills(failed, limit=LOOKED_AT):
            wanted = [key for key in reports if key in (backfill.asset_selection or [])]
            if wanted:
                yield dg.RunRequest(run_key=backfill.backfill_id, asset_selection=wanted)

    return sensor
