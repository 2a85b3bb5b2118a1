"""What computing a partition took: for people, never part of what is recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mitt_assets.work import Work


class Measured:
    """Reads the device's counters when made and when asked.

    ``peak`` gives the most bytes that were taken so far, or None where nobody knows.
    """

    def __init__(self, work: Work, peak: Callable[[], int | None]) -> None:
        self._work = work
        self._peak = peak
        self._before = _joules(work)

    def metadata(self) -> dict[str, Any]:
        """Speed, peak memory and energy, as far as each is known."""
        work, now = self._work, _joules(self._work)
        found: dict[str, Any] = {}
        if work.tokens and work.computing:
            found["tokens computed per second"] = round(work.tokens / work.computing, 1)
        if peak := self._peak():
            found["memory peak (GiB)"] = round(peak / 2**30, 2)
        if now is not None and self._before is not None:
            found["energy (Wh)"] = round((now - self._before) / 3600, 2)
        return found


def _joules(work: Work) -> float | None:
    """Of the devices this process sees; None without any."""
    from resources.energy import joules
    from resources.gpu import visible_devices

    return joules(visible_devices()) if work.services.device() != "cpu" else None
