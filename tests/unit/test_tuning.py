"""Tuning: the loss that was asked for, the same bytes twice, nothing of this machine in them."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from mitt_assets.errors import DataError
from mitt_assets.study import Adapter
from resources.engines.base import ModelFiles
from resources.tuning import TrainingRow, tune
from tests.fakes.tiny_models import VOCABULARY, tiny_model

QUICK = Adapter(rank=2, alpha=4, learning_rate=0.02, steps=6, batch=3)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    return tiny_model(tmp_path_factory.mktemp("models") / "qwen2", "qwen2", shared_heads=2)


def some_rows(count: int = 7) -> list[TrainingRow]:
    draw = random.Random(0)
    lengths = [draw.randint(4, 20) for _ in range(count)]
    return [
        TrainingRow(tuple(draw.randrange(VOCABULARY) for _ in range(n)), draw.randint(1, n - 1))
        for n in lengths
    ]


def test_the_same_rows_and_seed_make_the_same_bytes(files: ModelFiles, tmp_path: Path) -> None:
    import torch

    for name in ("one", "two"):
        torch.rand(1)
        tune(files, some_rows(), QUICK, tmp_path / name, device="cpu")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    other = QUICK.model_copy(update={"seed": 2})
    tune(files, some_rows(), other, tmp_path / "other", device="cpu")
    weights = "adapter_model.safetensors"
    assert (tmp_path / "one" / weights).read_bytes() != (tmp_path / "other" / weights).read_bytes()


def test_the_first_loss_is_the_bases_over_unmasked_tokens(
    files: ModelFiles, tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    rows = some_rows(3)
    settings = QUICK.model_copy(update={"steps": 1})
    first = tune(files, rows, settings, tmp_path, device="cpu").losses[0]
    model = AutoModelForCausalLM.from_pretrained(files.folder).eval()
    wrong: list[float] = []
    for row in rows:
        with torch.inference_mode():
            logits = model(torch.tensor([row.token_ids])).logits[0].log_softmax(-1)
        places = range(row.loss_start, len(row.token_ids))
        wrong += [-float(logits[at - 1, row.token_ids[at]]) for at in places]
    assert first == pytest.approx(sum(wrong) / len(wrong), rel=1e-4)


def test_it_learns_and_reports_each_step(files: ModelFiles, tmp_path: Path) -> None:
    seen: list[tuple[int, int, float]] = []
    result = tune(
        files,
        [TrainingRow((1, 2, 3, 4, 5, 6), 2)],
        QUICK.model_copy(update={"steps": 20}),
        tmp_path,
        device="cpu",
        progress=lambda step, steps, losses: seen.append((step, steps, losses[-1])),
    )
    assert result.losses[-1] < result.losses[0] / 2
    assert [(step, steps) for step, steps, _ in seen] == [(n, 20) for n in range(1, 21)]
    assert [loss for *_, loss in seen] == list(result.losses)
    assert result.parameters > 0


def test_the_written_settings_name_the_base_and_no_path(files: ModelFiles, tmp_path: Path) -> None:
    tune(files, some_rows(), QUICK, tmp_path, device="cpu")
    text = (tmp_path / "adapter_config.json").read_text(encoding="utf-8")
    assert json.loads(text)["base_model_name_or_path"] == files.source
    assert str(files.folder.parent) not in text
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]


@pytest.mark.parametrize("rows", [[], [TrainingRow((1, 2, 3), 3)], [TrainingRow((1, 2, 3), 0)]])
def test_rows_that_teach_nothing_are_refused(
    files: ModelFiles, tmp_path: Path, rows: list[TrainingRow]
) -> None:
    with pytest.raises(DataError):
        tune(files, rows, QUICK, tmp_path, device="cpu")
