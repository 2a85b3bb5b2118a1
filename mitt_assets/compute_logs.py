"""What a run prints, in files of the home that the UI shows.

Dagster's own way repeats every line on the terminal as well, with four processes per run, two of
them interpreters: a fifth of a processor second each time, and lines across a live display.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg

# No public name redirects without repeating; the exact pin guards against a move.
from dagster._core.execution.compute_logs import redirect_to_file
from dagster._core.storage.compute_log_manager import CapturedLogContext, ComputeIOType
from dagster._core.storage.local_compute_log_manager import (
    IO_TYPE_EXTENSION,
    LocalComputeLogManager,
)
from dagster._serdes import ConfigurableClassData
from dagster._utils import ensure_file, touch_file


class FileComputeLogs(LocalComputeLogManager):
    """Captures into the folder of the instance it belongs to, wherever that was moved."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir="", inst_data=inst_data)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Nothing to configure."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> FileComputeLogs:
        """Made by Dagster from the instance's settings."""
        return cls(inst_data=inst_data, **config_value)

    def register_instance(self, instance: dg.DagsterInstance) -> None:
        """Take the place that Dagster's own files have in this instance."""
        super().register_instance(instance)
        self._base_dir = instance.storage_directory()

    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Iterator[CapturedLogContext]:
        """Everything the process prints meanwhile goes to the files of ``log_key``."""
        printed, complained = (
            self.get_captured_local_path(log_key, IO_TYPE_EXTENSION[kind])
            for kind in (ComputeIOType.STDOUT, ComputeIOType.STDERR)
        )
        ensure_file(printed)
        ensure_file(complained)
        with redirect_to_file(sys.stdout, printed), redirect_to_file(sys.stderr, complained):
            yield CapturedLogContext(log_key)
        # Its presence says that nothing more will come.
        touch_file(self.complete_artifact_path(log_key))  # type: ignore[no-untyped-call]
