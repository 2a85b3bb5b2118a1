"""What may be chosen for a single run in the web interface's launchpad, and its bounds.

Nothing here changes what is made. The launchpad checks types and names while one types; numbers
are compared with their bounds when the run is asked for, before there is one.
"""

from __future__ import annotations

from typing import Any

import dagster as dg

# A number with bounds has no public name: pydantic's bounds are read only when a run has begun.
from dagster._config.config_type import ConfigScalar, ConfigScalarKind
from dagster._config.errors import PostProcessingError

from mitt_assets.run_log import EVERY

LOG_EVERY = "log_every"
SECONDS = (1, 600)


class BoundedInt(ConfigScalar):
    """A whole number from ``low`` to ``high``."""

    def __init__(self, name: str, low: int, high: int) -> None:
        self.low, self.high = low, high
        # The bounds are in the name, which the launchpad shows beside the field.
        key = f"{name}_{low}_to_{high}"
        super().__init__(
            key, key, ConfigScalarKind.INT, description=f"A whole number from {low} to {high}."
        )

    def post_process(self, value: Any) -> Any:
        """The number itself; raises PostProcessingError if it is out of bounds."""
        if not self.low <= value <= self.high:
            raise PostProcessingError(f"{value} is out of bounds: give {self.low} to {self.high}")
        return value


def run_settings() -> dict[str, dg.Field]:
    """The settings of a run that computes with models."""
    return {
        LOG_EVERY: dg.Field(
            BoundedInt("Seconds", *SECONDS),
            default_value=EVERY,
            description="Seconds between two lines of progress in the log of the run.",
        )
    }


def one_of(name: str, values: list[str]) -> dg.Enum:
    """One of ``values``: the launchpad marks any other while one types."""
    return dg.Enum(name, [dg.EnumValue(value) for value in values])
