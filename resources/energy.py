"""What the devices have used, as the driver's own library counts it; nothing where it does not."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

_LIBRARY = "libnvidia-ml.so.1"
_PER_JOULE = 1000.0


def joules(devices: Sequence[str], library: Any = None) -> float | None:
    """Energy of ``devices`` (numbers or UUIDs) since the driver was loaded; None if untold.

    NVML counts from Volta on; the difference of two readings is what was used between them, by
    whoever used the device.
    """
    nvml = library or _load()
    if nvml is None or not devices or nvml.nvmlInit_v2() != 0:
        return None
    try:
        read = [_millijoules(nvml, device) for device in devices]
    finally:
        nvml.nvmlShutdown()
    return None if None in read else sum(one or 0 for one in read) / _PER_JOULE


def _millijoules(nvml: Any, device: str) -> int | None:
    handle, used = ctypes.c_void_p(), ctypes.c_ulonglong()
    if device.isdigit():
        found = nvml.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(int(device)), ctypes.byref(handle))
    else:
        found = nvml.nvmlDeviceGetHandleByUUID(device.encode(), ctypes.byref(handle))
    if found != 0 or nvml.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(used)) != 0:
        return None
    return used.value


def _load() -> Any:
    with suppress(OSError):
        return ctypes.CDLL(_LIBRARY)
    return None
