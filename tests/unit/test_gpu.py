"""Devices: which there are, who gets which, and what they used. The driver is a fake."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

import pytest

from mitt_assets.assets.chain import build_graph
from mitt_assets.errors import ModelError
from mitt_assets.runner.plan import Plan
from mitt_assets.runner.pool import Pool, Worker
from mitt_assets.runner.worker import Job
from mitt_assets.study import Engine, Vllm
from mitt_assets.study_file import load_study
from resources import energy, gpu
from resources.energy import joules


@pytest.fixture
def four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "device_count", lambda device="auto": 0 if device == "cpu" else 4)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_visible_devices_are_those_the_environment_names(
    four: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gpu.visible_devices() == ["0", "1", "2", "3"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7, GPU-12,3,5")
    assert gpu.visible_devices() == ["7", "GPU-12", "3", "5"]


def test_every_worker_has_devices_of_its_own(four: None) -> None:
    assert gpu.device_groups(Engine()) == ("0", "1", "2", "3")
    assert gpu.device_groups(Engine(), "cpu") == ()
    spread = Engine(name="vllm", vllm=Vllm(tensor_parallel=2))
    assert gpu.device_groups(spread) == ("0,1", "2,3")
    both = Engine(name="vllm", vllm=Vllm(tensor_parallel=3))
    assert gpu.device_groups(both) == ("0,1,2",)
    with pytest.raises(ModelError, match="asks for 8 devices, but 4 can be seen"):
        gpu.device_groups(Engine(name="vllm", vllm=Vllm(tensor_parallel=2, data_parallel=4)))


def test_without_cuda_there_are_none() -> None:
    assert gpu.device_groups(Engine(device="cpu")) == ()


class _Card:
    """What torch.cuda says of a card without bfloat16."""

    def is_bf16_supported(self, including_emulation: bool = True) -> bool:
        return including_emulation

    def get_device_name(self, device: str) -> str:
        return "Tesla T4"


def test_a_device_that_only_emulates_bfloat16_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch, "cuda", _Card())
    with pytest.raises(ModelError, match=r"models\.qwen\.dtype is bfloat16, which Tesla T4 cannot"):
        gpu.check_dtype("cuda", "bfloat16", "models.qwen.dtype")
    gpu.check_dtype("cuda", "float16", "models.qwen.dtype")
    gpu.check_dtype("cpu", "bfloat16", "models.qwen.dtype")


def test_what_nobody_refers_to_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    calls: list[str] = []
    card = SimpleNamespace(empty_cache=lambda: calls.append("emptied"))
    monkeypatch.setattr(torch, "cuda", card)
    monkeypatch.setattr("gc.collect", lambda: calls.append("collected"))
    gpu.release("cpu")
    assert calls == ["collected"]
    gpu.release("cuda")
    assert calls[1:] == ["collected", "emptied"]


def _pool(devices: tuple[str, ...]) -> Pool:
    graph = build_graph(load_study("organism"))
    nothing: Any = None
    return Pool(Plan(graph, []), nothing, Job("organism", None, 1, None, devices), jobs=4)


def _worker(number: int) -> Worker:
    nothing: Any = None
    return Worker(number, nothing, nothing)


def test_only_workers_with_devices_take_what_needs_one() -> None:
    pool = _pool(("0", "1"))
    generate, read = ("base/traces", "en|llama"), ("base/windows", "en|llama")
    assert [pool._fits(_worker(n), generate) for n in range(4)] == [True, True, False, False]
    assert all(pool._fits(_worker(n), read) for n in range(4))
    assert all(_pool(())._fits(_worker(n), generate) for n in range(4))
    assert [pool.job.of(n).devices for n in range(4)] == [("0",), ("1",), ("0",), ("1",)]


def test_a_lost_workers_devices_go_to_its_successor() -> None:
    pool = _pool(("0", "1"))
    pool.workers = [_worker(0), _worker(2)]
    assert pool._free_number() == 1


class _Driver:
    """NVML with two devices that count, and one (number 2) that does not."""

    def __init__(self) -> None:
        self.open = 0
        self.used = {1: 5_000, 2: None, "GPU-9": 1_500}

    def nvmlInit_v2(self) -> int:  # noqa: N802
        self.open += 1
        return 0

    def nvmlShutdown(self) -> int:  # noqa: N802
        self.open -= 1
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: ctypes.c_uint, handle: Any) -> int:  # noqa: N802
        handle._obj.value = index.value
        return 0 if index.value in self.used else 2

    def nvmlDeviceGetHandleByUUID(self, name: bytes, handle: Any) -> int:  # noqa: N802
        handle._obj.value = 99
        return 0 if name.decode() in self.used else 2

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: Any, used: Any) -> int:  # noqa: N802
        counted = self.used["GPU-9" if handle.value == 99 else handle.value]
        used._obj.value = counted or 0
        return 3 if counted is None else 0


def test_energy_is_the_devices_sum_or_untold() -> None:
    driver = _Driver()
    assert joules(["1", "GPU-9"], driver) == 6.5
    assert joules(["1", "2"], driver) is None
    assert joules(["7"], driver) is None
    assert joules([], driver) is None
    assert driver.open == 0


def test_without_a_driver_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "_LIBRARY", "libno-such-driver.so.1")
    assert joules(["0"]) is None
