"""The parent's side of the vllm engine: processes that die, fall silent or fail are replaced once.

The worker is a fake that speaks the same messages; tests/vllm runs the real one.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mitt_assets.errors import ModelError
from mitt_assets.method.requests import Branch, ProbeRequest, Request, Sampling
from mitt_assets.study import Vllm
from resources.engines import vllm_engine
from resources.engines.base import ModelFiles
from resources.engines.vllm_engine import VllmEngine
from tests.engines.contract import model_and_adapter
from tests.fakes.tiny_models import tiny_model

WARM = Sampling(0.9, 0.95)
ASKED = [Request((5, 6, 7), seed, 4, (3,)) for seed in range(7)]
PROBES = [ProbeRequest((1,), (2, 3), (Branch(at, (4,)), Branch(0, (5,))), 1, ()) for at in (1, 2)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelFiles, Path]:
    return model_and_adapter(tmp_path_factory.mktemp("models"), "llama")


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[VllmEngine]]:
    """Engines put in here are closed; their worker is the fake one."""
    monkeypatch.setattr(vllm_engine, "WORKER", "tests.fakes.vllm_worker")
    monkeypatch.setenv("FAKE_WORKER", str(tmp_path))
    opened: list[VllmEngine] = []
    yield opened
    for engine in opened:
        engine.close()


@pytest.fixture
def engine(engines: list[VllmEngine], model: tuple[ModelFiles, Path]) -> VllmEngine:
    engines.append(VllmEngine("cpu", Vllm(), rank=2))
    engines[0].load(model[0], None)
    return engines[0]


def asked(folder: Path) -> list[dict[str, Any]]:
    """Everything the workers were asked, in order."""
    return [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("asked-*"))]


def faults(folder: Path, *which: str) -> None:
    (folder / "faults").write_text("\n".join(which), encoding="utf-8")


@pytest.mark.parametrize("which", ["die", "silent", "garbage", "error"])
def test_a_lost_worker_is_replaced_and_asked_again(
    engine: VllmEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    undisturbed = engine.generate(ASKED, WARM)
    monkeypatch.setattr(vllm_engine, "_WORKING", 1.0)
    faults(tmp_path, which)
    seen: list[tuple[int, int]] = []
    assert engine.generate(ASKED, WARM, lambda *now: seen.append(now)) == undisturbed
    assert seen == sorted(seen)
    assert seen[-1] == (7, 28)
    assert engine.describe()["lost"] == "1 times a process was replaced"
    calls = asked(tmp_path)
    assert [("load" in one["message"]) for one in calls] == [True, False, False, True, False]
    assert calls[1]["pid"] == calls[2]["pid"] != calls[3]["pid"] == calls[4]["pid"]
    assert not Path(f"/proc/{calls[1]['pid']}").exists()


def test_a_second_loss_is_told_and_the_next_load_starts_anew(
    engine: VllmEngine, model: tuple[ModelFiles, Path], tmp_path: Path
) -> None:
    faults(tmp_path, "die", "die")
    with pytest.raises(
        ModelError,
        match=r"lost twice on the same 7 requests: died with exit code 7; "
        r"it last printed: CUDA error: out of patience.*run again to go on",
    ):
        engine.generate(ASKED, WARM)
    with pytest.raises(ModelError, match="call load first"):
        engine.generate(ASKED, WARM)
    engine.load(model[0], None)
    assert len(engine.generate(ASKED, WARM)) == 7


def test_an_interrupted_call_leaves_no_answer_behind(
    engine: VllmEngine, model: tuple[ModelFiles, Path], tmp_path: Path
) -> None:
    def interrupt(*now: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.generate(ASKED, WARM, interrupt)
    [first] = {one["pid"] for one in asked(tmp_path)}
    assert not Path(f"/proc/{first}").exists()
    engine.load(model[0], None)
    assert engine.probe(PROBES) == [[(1,), (0,)], [(2,), (0,)]]


def test_a_model_that_vllm_cannot_load_is_told_with_its_words(
    engines: list[VllmEngine], model: tuple[ModelFiles, Path], tmp_path: Path
) -> None:
    (tmp_path / "refuses").write_text("ValueError: No available memory\nfor the cache blocks")
    engines.append(VllmEngine("cpu", Vllm()))
    with pytest.raises(
        ModelError,
        match=r"model llama .*No available memory for the cache blocks\. If memory is short, lower",
    ):
        engines[0].load(model[0], None)


def test_without_vllm_its_installation_is_named(
    engines: list[VllmEngine],
    model: tuple[ModelFiles, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(vllm_engine, "WORKER", "resources.engines.vllm_worker")
    engines.append(VllmEngine("cpu", Vllm()))
    if _has_vllm():
        monkeypatch.setattr(vllm_engine, "WORKER", "no_such_module")
    with pytest.raises(ModelError, match=r"No module named .*pip install 'mitt-assets\[vllm\]'"):
        engines[0].load(model[0], None)


def test_what_vllm_is_started_with(
    engine: VllmEngine, model: tuple[ModelFiles, Path], tmp_path: Path
) -> None:
    """``max_loras`` above the one adapter of a call: see PLATFORM on base requests beside it."""
    [started] = asked(tmp_path)
    assert started["message"]["load"] == {
        "device": "cpu",
        "model": str(model[0].folder),
        "dtype": "float32",
        "skip_tokenizer_init": True,
        "block_size": 32,
        "max_model_len": None,
        "gpu_memory_utilization": 0.85,
        "tensor_parallel_size": 1,
        "enforce_eager": False,
        "enable_lora": True,
        "max_loras": 2,
        "max_lora_rank": 8,
    }
    silent = ("VLLM_NO_USAGE_STATS", "DO_NOT_TRACK", "HF_HUB_OFFLINE")
    assert [started["environment"][name] for name in silent] == ["1", "1", "1"]
    assert started["environment"]["VLLM_HOST_IP"] == "127.0.0.1"


def test_its_share_of_memory_is_asked_for_whenever_it_starts(
    engines: list[VllmEngine], model: tuple[ModelFiles, Path], tmp_path: Path
) -> None:
    """Between two starts an adapter was trained, or an encoder came to lie on the device."""
    shares = iter([0.8, 0.5])
    engine = VllmEngine("cpu", Vllm(), memory_share=lambda: next(shares))
    engines.append(engine)
    engine.load(model[0], None)
    engine.close()
    engine.load(model[0], None)
    started = [one["message"]["load"]["gpu_memory_utilization"] for one in asked(tmp_path)]
    assert started == [0.8, 0.5]
    assert engine.describe()["memory_share"] == 0.5


def test_a_call_is_of_the_base_or_of_one_adapter(
    engine: VllmEngine, model: tuple[ModelFiles, Path], tmp_path: Path
) -> None:
    files, adapter = model
    for chosen in (None, adapter, None):
        engine.load(files, chosen)
        engine.generate(ASKED, WARM)
        engine.probe(PROBES)
    calls = [one["message"] for one in asked(tmp_path)[1:]]
    assert [one["adapter"] for one in calls] == [
        *(None, None),
        *(str(adapter), str(adapter)),
        *(None, None),
    ]
    assert len({one["pid"] for one in asked(tmp_path)}) == 1


def test_an_adapter_of_a_larger_rank_than_vllm_was_started_for_is_refused(
    engines: list[VllmEngine], model: tuple[ModelFiles, Path]
) -> None:
    engines.append(VllmEngine("cpu", Vllm(), rank=1))
    engines[0].load(model[0], None)
    with pytest.raises(ModelError, match="its rank is 2, but vLLM was started for 1"):
        engines[0].load(*model)


def test_another_model_starts_another_process(
    engine: VllmEngine, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tiny_model(tmp_path_factory.mktemp("other") / "qwen", "qwen2")
    engine.load(replace(other, dtype="bfloat16"), None)
    first, second = asked(tmp_path)
    assert first["pid"] != second["pid"]
    assert not Path(f"/proc/{first['pid']}").exists()
    assert second["message"]["load"]["dtype"] == "bfloat16"


def test_the_models_context_is_the_smaller_of_its_own_and_vllms(engine: VllmEngine) -> None:
    with pytest.raises(ModelError, match="may reach 501 tokens, but the model's context is 500"):
        engine.generate([Request((1,), 0, 500, ())], WARM)


def test_copies_share_the_requests_and_the_order_stays(
    engines: list[VllmEngine],
    model: tuple[ModelFiles, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("resources.gpu.visible_devices", lambda: ["4", "5", "6", "GPU-7", "8"])
    engines.append(VllmEngine("cuda", Vllm(data_parallel=2, tensor_parallel=2)))
    engine = engines[0]
    engine.load(model[0], None)
    alone = VllmEngine("cpu", Vllm())
    engines.append(alone)
    alone.load(model[0], None)
    seen: list[tuple[int, int]] = []
    assert engine.generate(ASKED, WARM, lambda *now: seen.append(now)) == alone.generate(
        ASKED, WARM
    )
    assert seen == sorted(seen)
    assert seen[-1] == (7, 28)
    assert engine.probe(PROBES) == alone.probe(PROBES)
    assert engine.generate(ASKED[:1], WARM) == alone.generate(ASKED[:1], WARM)
    workers = [
        one for one in asked(tmp_path) if one["message"].get("load", {}).get("device") == "cuda"
    ]
    assert {one["environment"]["CUDA_VISIBLE_DEVICES"] for one in workers} == {"4,5", "6,GPU-7"}


def test_more_devices_than_there_are_is_told(
    engines: list[VllmEngine], model: tuple[ModelFiles, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resources.gpu.visible_devices", lambda: ["0"])
    engines.append(VllmEngine("cuda", Vllm(tensor_parallel=2)))
    with pytest.raises(ModelError, match="asks for 1 x 2 devices, but 1 can be seen"):
        engines[0].load(model[0], None)


def test_a_worker_whose_parent_was_killed_ends(
    model: tuple[ModelFiles, Path], tmp_path: Path
) -> None:
    """The real worker, before it has loaded anything."""
    code = (
        "import os, time\n"
        "from resources.engines.worker_process import WorkerProcess\n"
        "worker = WorkerProcess('resources.engines.vllm_worker', {})\n"
        "print(worker.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 30
    while _running(pid):
        assert time.monotonic() < deadline, "the worker outlives its parent"
        time.sleep(0.05)


def _running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False


def _has_vllm() -> bool:
    from importlib.util import find_spec

    return find_spec("vllm") is not None
