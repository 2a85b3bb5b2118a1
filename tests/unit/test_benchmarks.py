"""The GPU benchmark's every step on a small shape, and the page it writes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks import gpu
from benchmarks.__main__ import NAMES
from mitt_assets.study import Adapter
from resources.engines.base import ModelFiles
from tests.fakes.engine import FakeEngine


def test_every_step_runs_on_a_small_shape(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "RESULTS.md"
    page.write_text("nothing", encoding="utf-8")
    monkeypatch.setattr(gpu, "PAGE", page)
    assert gpu.main(["--shape", "tiny", "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    for what in (
        r"generation, batch 2, 20 \+ 16 tokens \| [\d,]+ tokens/s, \d+% of the bandwidth limit",
        r"generation, batch 4, ",
        r"generating a trace of 160 tokens, batch 1 \| [\d.]+ s",
        r"its 5 probes \| [\d.]+ s, [\d.]+% of generating it",
        r"probes of 2 such traces \| ",
        r"a LoRA step, 2 sequences of 32 tokens \| [\d.]+ s",
        r"peak memory of training \| [\d.]+ GiB",
        r"`python -m benchmarks.gpu --shape tiny --device cpu` \(torch ",
    ):
        assert re.search(what, said), (what, said)
    assert page.read_text(encoding="utf-8") == "nothing"


def test_without_a_gpu_the_page_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["--device", "cpu"]) == 0
    assert gpu.NOT_MEASURED in capsys.readouterr().out
    entries = re.findall(r"^### ", gpu.PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert bool(entries) != (gpu.NOT_MEASURED in gpu.PAGE.read_text(encoding="utf-8"))


def test_probes_of_a_batch_are_of_different_traces() -> None:
    """An engine with a prefix cache would read equal traces once."""
    engine = FakeEngine(lambda request: range(160), lambda request, branch: (1,))
    engine.load(ModelFiles("tiny", "tiny", None, "float32", Path()), None)
    gpu.probing(gpu.SHAPES["tiny"], engine, "cpu", {2: 1.0})
    [*_, (_, asked)] = engine.calls
    assert len({one.trace for one in asked}) == len(asked) == 2


def test_training_is_measured_as_study_paper_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}

    def tune(files: object, rows: object, settings: Adapter, *_: object, **more: Any) -> None:
        given.update(more, packed=settings.packed)
        for step in (1, 2):
            more["progress"](step, 2, [])

    monkeypatch.setattr("resources.tuning.tune", tune)
    for name in ("_finish", "_forget_peak", "memory_peak"):
        monkeypatch.setattr(gpu, name, lambda device: 0)
    files = ModelFiles("tiny", "tiny", None, "bfloat16", tmp_path)
    gpu.training(gpu.SHAPES["tiny"], files, "cuda", tmp_path)
    assert (given["packed"], given["checkpointing"]) == (True, True)


def test_every_benchmark_that_needs_no_gpu_is_run() -> None:
    found = {path.stem for path in gpu.PAGE.parent.glob("*.py")}
    not_run = {"__init__", "__main__", "gpu", "random_reasoner", "records"}
    assert set(NAMES) == found - not_run


def test_an_entry_takes_the_place_of_none_and_the_next_follows_it(tmp_path: Path) -> None:
    page = tmp_path / "RESULTS.md"
    page.write_text(f"# Measured\n\n{gpu.NOT_MEASURED}", encoding="utf-8")
    text = gpu.entry("python -m benchmarks.gpu", "transformers", "cpu", [("weights", "1 GiB")])
    gpu.add(page, text)
    gpu.add(page, text)
    written = page.read_text(encoding="utf-8")
    assert gpu.NOT_MEASURED not in written
    assert written.count("### ") == 2
    assert written.count("| weights | 1 GiB |") == 2


def test_the_limit_is_the_time_to_read_weights_keys_and_values() -> None:
    shape = gpu.SHAPES["qwen2-7b"]
    # 28 layers x 2 x 4 heads x 128 x 2 bytes = 57,344 bytes per token and row.
    assert gpu.limit(shape, 1, 0, 15e9, int(15e9)) == 1.0
    assert gpu.limit(shape, 10, 1000, 1e12, 0) == pytest.approx(1e12 / (1000 * 57_344))
