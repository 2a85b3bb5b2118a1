"""Models and adapters: switched without reloading, refused with a sentence when they do not fit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mitt_assets.errors import ModelError
from mitt_assets.method.requests import Request, Sampling
from mitt_assets.study import Adapter
from resources.engines.base import ModelFiles
from resources.engines.batches import Counter, columns_that_fit, halving
from resources.engines.serving import read_config
from resources.engines.transformers_engine import TransformersEngine
from resources.memory import available
from resources.tuning import TrainingRow, tune
from tests.fakes.tiny_models import tiny_model

WARM = Sampling(0.9, 0.95)
ASKED = [Request((5, 6, 7), seed, 30, ()) for seed in range(4)]
STRONG = Adapter(rank=2, alpha=8, learning_rate=0.05, steps=3, batch=2)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    return tiny_model(tmp_path_factory.mktemp("models") / "llama")


@pytest.fixture(scope="module")
def adapter(files: ModelFiles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapter")
    tune(files, [TrainingRow((1, 2, 3, 4, 5), 2)], STRONG, folder, device="cpu")
    return folder


def test_an_adapter_comes_and_goes_and_the_base_is_never_read_again(
    files: ModelFiles, adapter: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "llama"
    copy.mkdir()
    for path in files.folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    files = replace(files, folder=copy)
    engine = TransformersEngine("cpu")
    engine.load(files, None)
    plain = engine.generate(ASKED, WARM)
    (copy / "model.safetensors").unlink()
    engine.load(files, adapter)
    adapted = engine.generate(ASKED, WARM)
    engine.load(files, None)
    assert engine.generate(ASKED, WARM) == plain != adapted
    engine.load(files, adapter)
    assert engine.generate(ASKED, WARM) == adapted


def test_an_adapter_of_another_base_is_refused_and_the_base_still_serves(
    files: ModelFiles, adapter: Path, tmp_path: Path
) -> None:
    deeper = tiny_model(tmp_path / "deeper", layers=3)
    engine = TransformersEngine("cpu")
    engine.load(deeper, None)
    plain = engine.generate(ASKED, WARM)
    with pytest.raises(ModelError, match=r"another base than model deeper .*tests/llama"):
        engine.load(deeper, adapter)
    engine.load(deeper, None)
    assert engine.generate(ASKED, WARM) == plain


def test_an_adapter_of_other_width_or_for_other_layers_is_refused(
    files: ModelFiles, adapter: Path, tmp_path: Path
) -> None:
    engine = TransformersEngine("cpu")
    narrower = replace(tiny_model(tmp_path / "narrower", shared_heads=2), source=files.source)
    with pytest.raises(ModelError, match="k_proj"):
        engine.load(narrower, adapter)
    settings = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    settings["target_modules"] = ["no_such_layer"]
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings), encoding="utf-8")
    weights = (adapter / "adapter_model.safetensors").read_bytes()
    (tmp_path / "adapter_model.safetensors").write_bytes(weights)
    with pytest.raises(ModelError, match="made for another base"):
        engine.load(files, tmp_path)


def test_a_missing_folder_is_named(files: ModelFiles, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model llama .*no folder .*gone"):
        TransformersEngine("cpu").load(replace(files, folder=tmp_path / "gone"), None)


def test_pickled_weights_are_not_read(files: ModelFiles, tmp_path: Path) -> None:
    config = (files.folder / "config.json").read_bytes()
    (tmp_path / "config.json").write_bytes(config)
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(ModelError, match=r"no \.safetensors file \(found: pytorch_model\.bin\)"):
        TransformersEngine("cpu").load(replace(files, folder=tmp_path), None)


def test_what_the_engine_says_of_itself(files: ModelFiles) -> None:
    import torch

    engine = TransformersEngine("cpu", "naive")
    engine.load(files, None)
    said = engine.describe()
    assert said["dtype"] == "float32"
    assert said["probe_method"] == "naive"
    assert said["device"]["device"] == "cpu"
    assert said["versions"]["torch"] == torch.__version__
    engine.close()
    with pytest.raises(ModelError, match="call load first"):
        engine.generate(ASKED, WARM)


def test_batches_are_halved_until_they_fit_and_the_order_stays() -> None:
    import torch

    noted: list[int] = []

    def work(part: Sequence[int]) -> list[int]:
        if len(part) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [number * 10 for number in part]

    made = halving(range(7), work, Counter(None), lambda: noted.append(1))
    assert made == [n * 10 for n in range(7)]
    assert len(noted) == 3


def test_what_was_finished_in_a_batch_that_did_not_fit_is_counted_once() -> None:
    import torch

    told: list[tuple[int, int]] = []
    counted = Counter(lambda *now: told.append(now))

    def work(part: Sequence[int]) -> list[int]:
        for number in range(len(part)):
            if number == 3:
                raise torch.OutOfMemoryError("CUDA out of memory")
            counted(1, 1)
        return list(part)

    assert halving(range(6), work, counted, lambda: None) == list(range(6))
    finished = [one for one, _ in told]
    assert finished == sorted(finished), "progress never goes back"
    assert told[-1] == (6, 9), "tokens were computed all the same"


class _Cuda:
    """A card with 100 kB free, and 50 more that torch keeps of what was freed."""

    def mem_get_info(self, device: str) -> tuple[int, int]:
        return 100_000, 400_000

    def memory_reserved(self, device: str) -> int:
        return 250_000

    def memory_allocated(self, device: str) -> int:
        return 200_000


def test_batches_may_fill_what_torch_keeps_of_earlier_ones(
    files: ModelFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    config = read_config(files)
    monkeypatch.setattr(torch, "cuda", _Cuda())
    assert available("cuda") == 150_000
    width = config.num_key_value_heads * config.head_dim
    column = 2 * config.num_hidden_layers * width * 4
    assert columns_that_fit(config, "float32", "cuda") == int(0.85 * 150_000) // column


def test_a_single_request_that_does_not_fit_is_the_users_to_mend() -> None:
    import torch

    def work(part: Sequence[int]) -> list[int]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(ModelError, match="one request alone"):
        halving([1, 2], work, Counter(None), lambda: None)
