"""Which device there is and what it is called, for the engines and for the statements."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING, Any, Literal

from mitt_assets.errors import ModelError
from resources.compute import Choice, Hardware, choose
from resources.memory import available

if TYPE_CHECKING:
    from mitt_assets.study import Engine


def choose_device(wanted: Literal["auto", "cpu", "cuda"] | str) -> str:
    """``cpu`` or ``cuda``; ``auto`` is cuda where there is one.

    Raises ModelError if cuda is wanted and there is none.
    """
    if wanted == "cpu":
        return "cpu"
    found = device_count("cuda")
    if wanted == "cuda" and not found:
        raise ModelError(
            "engine.device is cuda, but torch sees no CUDA device: set it to auto or cpu, or "
            "install the CUDA build of torch"
        )
    return "cuda" if found else "cpu"


def device_count(device: str = "auto") -> int:
    """How many CUDA devices there are; 0, without importing torch, if ``device`` is cpu."""
    if device == "cpu":
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def visible_devices() -> list[str]:
    """The CUDA devices this process may use, as CUDA_VISIBLE_DEVICES names them."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = device_count("cuda")
    named = [one.strip() for one in given.split(",")] if given else map(str, range(count))
    return list(named)[:count]


def device_groups(engine: Engine, wanted: str | None = None) -> tuple[str, ...]:
    """The CUDA devices of each worker process; one each, or as many as vLLM is to spread over.

    Empty without CUDA. ``wanted`` overrides the study's device. Raises ModelError if there are
    fewer devices than one worker needs.
    """
    if choose_device(wanted or engine.device) == "cpu":
        return ()
    found = visible_devices()
    size = engine.vllm.data_parallel * engine.vllm.tensor_parallel if engine.name == "vllm" else 1
    if size > len(found):
        raise ModelError(
            f"engine.vllm asks for {size} devices, but {len(found)} can be seen: lower "
            "data_parallel or tensor_parallel"
        )
    return tuple(
        ",".join(found[start : start + size]) for start in range(0, len(found) - size + 1, size)
    )


def hardware(device: str) -> Hardware:
    """What a choice depends on, as torch and the system tell it of ``device``, cpu or cuda."""
    if device == "cpu":
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return Hardware(device, None, min(1.0, (available(device) or total) / total))
    import torch

    free, total = torch.cuda.mem_get_info()
    each = (torch.cuda.get_device_capability(n) for n in range(device_count(device)))
    return Hardware(device, min(each), free / total)


def choice_here(engine: Engine, wanted: str | None = None) -> Choice:
    """How models compute on this machine; ``wanted`` overrides the study's device.

    Raises ModelError if cuda is wanted and there is none.
    """
    return choose(engine, hardware(choose_device(wanted or engine.device)))


def check_dtype(device: str, dtype: str, place: str) -> None:
    """Raise ModelError, naming the study key ``place``, if the device cannot compute in ``dtype``.

    A GPU without bfloat16 units emulates it many times slower, in silence.
    """
    if device == "cpu" or dtype != "bfloat16":
        return
    import torch

    if not torch.cuda.is_bf16_supported(including_emulation=False):
        raise ModelError(
            f"{place} is bfloat16, which {torch.cuda.get_device_name(device)} cannot compute: "
            "choose float16 or float32, or a device of compute capability 8.0 or later"
        )


def release(device: str) -> None:
    """Give back what nobody here refers to: torch keeps freed memory, and no other can have it."""
    import gc

    gc.collect()
    if device != "cpu":
        import torch

        torch.cuda.empty_cache()


def memory_peak(device: str) -> int:
    """The most bytes this process has held so far: on the device, or (cpu) in memory."""
    if device == "cpu":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    import torch

    return torch.cuda.max_memory_reserved(device)


def describe_device(device: str) -> dict[str, Any]:
    """Name, driver, CUDA, threads and determinism mode: what the same bytes may depend on."""
    import torch

    described: dict[str, Any] = {
        "device": device,
        "name": _cpu_name(),
        "threads": torch.get_num_threads(),
        "determinism": _determinism(device),
    }
    if device != "cpu":
        described["name"] = torch.cuda.get_device_name(device)
        described["cuda"] = torch.version.cuda
        described["driver"] = _driver()
        described["memory_bytes"] = torch.cuda.get_device_properties(device).total_memory
    return described


def _determinism(device: str) -> str:
    import torch

    if device == "cpu":
        return "bytes repeat for float32 with the same number of threads"
    if torch.are_deterministic_algorithms_enabled():
        return "deterministic algorithms on"
    return "deterministic algorithms off: the share of equal traces is what is reported"


def _cpu_name() -> str:
    """The processor's model where the system tells it, else its architecture."""
    from pathlib import Path

    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _driver() -> str | None:
    """Version of the NVIDIA driver; None where nvidia-smi is not to be found."""
    import shutil
    import subprocess

    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    query = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    answer = subprocess.run(query, capture_output=True, text=True, timeout=30, check=False)
    lines = answer.stdout.splitlines()
    return lines[0].strip() if answer.returncode == 0 and lines else None
