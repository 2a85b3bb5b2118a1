"""Which process a run is in, so that a dead one can be told from a slow one."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

HOST_TAG, PID_TAG = "mitt/host", "mitt/pid"
"""Tags of a run: the machine it is on, and its process there as ``process_name`` writes it."""
PROC = Path("/proc")


def own_tags() -> dict[str, str]:
    """The tags of a run in this process."""
    return {HOST_TAG: socket.gethostname(), PID_TAG: process_name(os.getpid()) or ""}


def process_name(pid: int) -> str | None:
    """A process by its number and the tick it began, since numbers are used again; None if gone.

    Where there is no /proc, as on macOS, the number alone.
    """
    if not (PROC / "self" / "stat").exists():
        return str(pid) if _is_there(pid) else None
    try:
        status = (PROC / str(pid) / "stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    after_name = status.rpartition(")")[2].split()
    # proc(5): the state is field 3, the start time field 22.
    return None if after_name[0] == "Z" else f"{pid}:{after_name[19]}"


def is_gone(tags: Mapping[str, str]) -> bool:
    """Whether a run's process was on this machine and is no more; of others nothing is known."""
    if tags.get(HOST_TAG) != socket.gethostname():
        return False
    name = tags.get(PID_TAG, "")
    pid = name.partition(":")[0]
    return not (pid.isdigit() and process_name(int(pid)) == name)


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)  # signal 0 only asks
    except ProcessLookupError:
        return False
    except PermissionError:  # it is another user's
        return True
    return True
