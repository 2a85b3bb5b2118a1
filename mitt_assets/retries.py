"""Trying again: what is transient after growing pauses, what is wrong never.

A step asks for it itself. Dagster's retry policy would also repeat mistakes and cancelled runs. The
pool slot is free during the pause, so others may use the device meanwhile.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import dagster as dg

from mitt_assets.errors import TransientError

if TYPE_CHECKING:
    from resources.services import StudyServices

TRIES = 4
"""How often a step is tried again: with these pauses, about five minutes in all (our choice)."""
FIRST_PAUSE = 20.0
"""Seconds before the second try; doubled every time, give or take a quarter."""


def is_transient(error: BaseException) -> bool:
    """Whether a later try may go well; torch's error is told by name, so as not to import it."""
    out_of_memory = type(error).__name__ == "OutOfMemoryError"
    return isinstance(error, TransientError) or (
        out_of_memory and type(error).__module__.startswith("torch")
    )


def again(
    context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext,
    services: StudyServices,
    error: Exception,
) -> dg.RetryRequested:
    """The request to try a step again; models are given up first.

    Raise it from a ``dg.Failure``: that is what the run says once the last try has failed.
    """
    services.close()
    done = context.op_execution_context.retry_number
    pause = FIRST_PAUSE * 2**done * random.uniform(0.75, 1.25)
    if done < TRIES:
        context.log.warning(f"{error} Trying again in {pause:.0f} s ({done + 1} of {TRIES}).")
    return dg.RetryRequested(max_retries=TRIES, seconds_to_wait=pause)
