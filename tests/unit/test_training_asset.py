"""The adapter step: what it tells while it trains, what it leaves, and what it refuses first."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
import yaml

from checks.suites import adapter as adapter_suite
from mitt_assets.assets import training
from mitt_assets.errors import ModelError
from mitt_assets.tables import TRAINING_SET
from mitt_assets.work import Beat, Markdown
from resources.engines.base import ModelFiles
from resources.shards import ShardStore
from resources.tuning import memory as tuning_memory
from tests.fakes.estimates import SMALL, parse
from tests.fakes.tiny_models import tiny_model

STUDY = parse(
    SMALL.replace(
        "prompt_languages: [en, tl], whole_share: 0.25}",
        "prompt_languages: [en, tl], whole_share: 0.25, adapter: {rank: 2, steps: 3, batch: 2}}",
    )
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    files = tiny_model(tmp_path_factory.mktemp("model") / "one")
    digests = {"config.json": "0" * 64, "model.safetensors": "1" * 64}
    return ModelFiles("one", "owner/base", "abc123", "float32", files.folder, digests)


def sequences() -> pl.DataFrame:
    rows = [
        (f"s{i}", "t", "q", "p", prompt, "en", i == 0, [5 + i, 6, 7, 8 + i, 9, 10], 3)
        for i, prompt in enumerate(("en", "tl", "tl"))
    ]
    return pl.DataFrame(rows, schema=TRAINING_SET.schema(), orient="row")


class Watched(SimpleNamespace):
    """As much of a Work as the step uses; beats are kept."""

    def beat(self, *said: Any, note: str = "") -> None:
        self.beats.append(Beat(*said, note=note))

    def waiting(self, what: str) -> None:
        self.beat(f"waiting for {what}", 0, 0)


def work(model: ModelFiles, folder: Path) -> Watched:
    freed: list[bool] = []
    services = SimpleNamespace(
        device=lambda: "cpu", free_device=lambda: freed.append(True), model_files=lambda slug: model
    )
    manifest = json.dumps({"slug": "one", "files": dict(model.files)}).encode()
    return Watched(
        study=STUDY,
        asset="mitt/adapter",
        partition="one",
        variant="mitt",
        services=services,
        freed=freed,
        scratch=folder,
        shards=ShardStore(folder, "0123456789abcdef"),
        beats=[],
        model_time=nullcontext,
        tokens=0,
        computing=2.0,
        file=lambda name, file: manifest,
        table=lambda name: sequences(),
        record=lambda name: SimpleNamespace(content="c" * 64),
    )


def test_it_tells_its_plan_and_every_loss_and_draws_them_while_it_runs(
    model: ModelFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "DRAW_EVERY", -1.0)
    watched = work(model, tmp_path)
    made = training.make_adapter(watched)  # type: ignore[arg-type]
    plan, loading, *steps = watched.beats
    assert loading == Beat("waiting for one to load", 0, 0)
    assert "needs" in plan.note
    assert "optimiser" in plan.note
    assert [(one.done, one.total) for one in steps] == [(1, 3), (2, 3), (3, 3)]
    losses = json.loads(bytes(made.files["loss.json"]))["losses"]  # type: ignore[arg-type]
    assert [one.note.split()[1].rstrip(",") for one in steps] == [f"{x:.4f}" for x in losses]
    picture = tmp_path / "training" / "mitt-one-loss.png"
    assert str(picture) in steps[-1].note
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert isinstance(made.metadata["loss"], Markdown)
    assert made.metadata["steps per second"] == 1.5
    assert made.metadata["memory peak (GiB)"] > 0.05
    assert watched.freed == [True]


def test_memory_is_given_back_when_it_has_learned(
    model: ModelFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    learned = SimpleNamespace(losses=(1.0,), parameters=1)
    monkeypatch.setattr("resources.tuning.tune", lambda *_, **__: done.append("tuned") or learned)
    monkeypatch.setattr("resources.gpu.release", lambda device: done.append(f"released {device}"))
    training.make_adapter(work(model, tmp_path))  # type: ignore[arg-type]
    assert done == ["tuned", "released cpu"]


def test_its_check_has_the_device_alone_and_leaves_it(
    model: ModelFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """vLLM keeps most of the device while it runs, and the check loads the base beside it."""
    done: list[str] = []
    monkeypatch.setattr(adapter_suite, "_training_set", lambda subject: sequences())
    monkeypatch.setattr(adapter_suite, "recipe_of", lambda subject: SimpleNamespace(adapter=None))
    monkeypatch.setattr(adapter_suite, "measure_effect", lambda *_: done.append("measured"))
    monkeypatch.setattr(adapter_suite, "release", lambda device: done.append("released"))
    services = SimpleNamespace(
        free_device=lambda: done.append("freed"),
        model_files=lambda slug: model,
        device=lambda: "cuda",
    )
    record = SimpleNamespace(files={})
    subject: Any = SimpleNamespace(services=services, record=record, own={"model": "one"})
    adapter_suite._effect(subject)
    assert done == ["freed", "measured", "released"]


def test_the_card_says_what_the_adapter_is_and_nothing_of_when_and_where(
    model: ModelFiles, tmp_path: Path
) -> None:
    cards = [
        bytes(training.make_adapter(work(model, tmp_path / name)).files["README.md"])  # type: ignore[arg-type]
        for name in ("one", "two")
    ]
    assert cards[0] == cards[1]
    text = cards[0].decode("utf-8")
    head = yaml.safe_load(text.split("---")[1])
    assert head["base_model"] == "owner/base"
    assert head["library_name"] == "peft"
    assert head["language"] == ["en", "tl"]
    for fact in ("abc123", "c" * 64, "0" * 64, "rank: 2", "3 sequences, 18 tokens", "1 of them"):
        assert fact in text, fact
    assert str(tmp_path) not in text


def test_what_does_not_fit_is_refused_before_a_weight_is_read(
    model: ModelFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning_memory, "available", lambda device: 1000)
    monkeypatch.setattr("resources.tuning.tune", lambda *_, **__: pytest.fail("it was trained"))
    with pytest.raises(ModelError, match=r"mitt/adapter\[one\]: training needs .* free"):
        training.make_adapter(work(model, tmp_path))  # type: ignore[arg-type]
