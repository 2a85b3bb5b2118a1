"""Python's collector of reference cycles, in processes that hold a million lasting objects.

The libraries' classes and registries are made once and live to the end. Looking through them again
and again takes a fifth of the time of importing them, and seconds when the process ends.
"""

from __future__ import annotations

import atexit
import gc

_ALLOCATIONS = 50_000
"""New objects before a look at the young ones (Python's default is 700). Our choice."""


def relax() -> None:
    """Look for cycles seldom, and not at all when this process ends. For one's own processes."""
    gc.set_threshold(_ALLOCATIONS)
    atexit.register(gc.freeze)
