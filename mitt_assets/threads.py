"""How many threads a process computes with: processes share cores, and sums of floats depend on it.

With more threads than free cores each product waits for its slowest thread: twelve runs at once of
the embedded default took 2.4 times the processor time with two threads each, measured on two cores.
"""

from __future__ import annotations

import os
import sys

MOST = 256
"""Processes, or threads of one, that may be asked for: thousands halt a machine."""
_NAMES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def set_threads(number: int) -> None:
    """From now on, in this process and in those it starts."""
    for name in _NAMES:
        os.environ[name] = str(number)
    if torch := sys.modules.get("torch"):  # it has read the environment already
        torch.set_num_threads(number)


def one_thread_unless_set() -> None:
    """One thread, as ``mitt run`` gives to each worker, unless OMP_NUM_THREADS says otherwise."""
    if not os.environ.get("OMP_NUM_THREADS"):
        set_threads(1)


def usable_cores() -> int:
    """Cores this process may use: of a shared machine a scheduler gives some, not all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS has no affinity
