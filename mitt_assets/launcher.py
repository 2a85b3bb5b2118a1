"""Launching runs from the web interface, and noticing when the process of one is gone.

Dagster's monitoring asks the launcher whether a run's process is well; its default launcher cannot
tell, so a process killed with -9 together with its code server would hold its pool slot for ever.
"""

from __future__ import annotations

from dagster import DagsterRun, DefaultRunLauncher

# The answer's types have no public name; the exact pin guards against a move.
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus

from mitt_assets.processes import PID_TAG, is_gone


class WatchedLauncher(DefaultRunLauncher):
    """Dagster's own launcher, which can also say whether a run's process is still there.

    It is asked about every run of the home, those of ``mitt run`` among them.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Yes: this is what it is for."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """FAILED if the run named a process of this machine that is gone, else RUNNING."""
        if is_gone(run.tags):
            return CheckRunHealthResult(
                WorkerStatus.FAILED, f"process {run.tags.get(PID_TAG)} is gone"
            )
        return CheckRunHealthResult(WorkerStatus.RUNNING)
