"""Runs whose process is gone: said to be failed, their pool slots freed.

Every run carries its host and process from its first moment; a run of this host whose process is
no more is dead. While the web interface is open its daemon does this too (``launcher.py``); without
it, whoever needs the slot looks.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from mitt_assets.processes import HOST_TAG, PID_TAG, is_gone

if TYPE_CHECKING:
    import dagster as dg


def reclaim(instance: dg.DagsterInstance) -> list[str]:
    """Fail the dead runs of this host and free their slots; the ids of those runs."""
    import dagster as dg

    unfinished = dg.RunsFilter(
        statuses=[
            dg.DagsterRunStatus.NOT_STARTED,
            dg.DagsterRunStatus.STARTING,
            dg.DagsterRunStatus.STARTED,
            dg.DagsterRunStatus.CANCELING,
        ],
        tags={HOST_TAG: socket.gethostname()},
    )
    dead = [run for run in instance.get_runs(unfinished) if is_gone(run.tags)]
    for run in dead:
        instance.report_run_failed(run, f"process {run.tags.get(PID_TAG)} is gone")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return [run.run_id for run in dead]
