"""What is chosen for a study on a machine. The hardware is described, none is asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from checks.judge import judge
from checks.subject import Subject
from mitt_assets.costs.plan import Terms, plan
from mitt_assets.home import open_maker
from mitt_assets.study import Engine, Vllm
from mitt_assets.study_file import load_study
from resources import gpu
from resources.compute import SHARE, Hardware, choose
from resources.engines.transformers_engine import TransformersEngine
from resources.engines.vllm_engine import VllmEngine
from resources.gpu_resource import GPUResource
from resources.services import StudyServices
from tests.conftest import MINIATURE
from tests.fakes.engine import FakeEngine

T4, A100, H100 = (7, 5), (8, 0), (9, 0)


@pytest.mark.parametrize(
    ("hardware", "dtype"),
    [
        (Hardware("cpu"), "float32"),
        (Hardware("cuda", T4), "float16"),
        (Hardware("cuda", A100), "bfloat16"),
        (Hardware("cuda", H100), "bfloat16"),
    ],
)
def test_arithmetic_follows_from_what_the_device_computes(hardware: Hardware, dtype: str) -> None:
    made = choose(Engine(), hardware)
    assert (made.device, made.dtype) == (hardware.device, dtype)


def test_memory_is_the_studys_share_or_what_is_free() -> None:
    def share(free: float, **settings: float) -> float:
        return choose(Engine(vllm=Vllm(**settings)), Hardware("cuda", A100, free)).memory_share

    assert share(1.0) == SHARE
    assert share(0.5) == 0.45
    assert share(0.0) == 0.01, "vLLM refuses nothing at all, and says what it lacks"
    assert share(0.5, memory_share=0.7) == 0.7


@pytest.mark.parametrize("name", ["transformers", "vllm", "server"])
def test_attention_is_the_engines(name: str) -> None:
    chosen = choose(Engine(name=name), Hardware("cpu")).attention  # type: ignore[arg-type]
    assert (chosen == "sdpa_grouped") is (name == "transformers")


class _Cuda:
    """What torch.cuda says of two cards, the second of them older, the first half full."""

    def is_available(self) -> bool:
        return True

    def device_count(self) -> int:
        return 2

    def mem_get_info(self) -> tuple[int, int]:
        return 40, 80

    def get_device_capability(self, number: int) -> tuple[int, int]:
        return (H100, T4)[number]


def test_the_hardware_is_as_torch_tells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch, "cuda", _Cuda())
    assert gpu.hardware("cuda") == Hardware("cuda", T4, 0.5)
    here = gpu.hardware("cpu")
    assert (here.device, here.capability) == ("cpu", None)
    assert 0 < here.free <= 1


def auto_study(study_file: Callable[..., Path], engine: str) -> Path:
    models = {"llama": {"source": "organism:llama", "dtype": "auto"}}
    return study_file(models=models, engine={"name": engine, "device": "cuda"})


@pytest.fixture
def old_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resources.gpu.choose_device", lambda wanted: wanted)
    monkeypatch.setattr("resources.gpu.hardware", lambda device: Hardware(device, T4, 0.5))


def test_every_gateway_takes_its_values_from_the_choice(
    old_card: None,
    study_file: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    services = StudyServices(load_study(auto_study(study_file, "transformers")), tmp_path)
    engine = services.engine()
    assert isinstance(engine, TransformersEngine)
    assert (engine.device, engine.attention) == ("cuda", "sdpa_grouped")
    assert services.model_files("llama").dtype == "float16"
    spread = StudyServices(load_study(auto_study(study_file, "vllm")), tmp_path).engine()
    assert isinstance(spread, VllmEngine)
    assert spread._share() == 0.45
    monkeypatch.setattr("resources.gpu.hardware", lambda device: Hardware(device, T4, 0.2))
    assert spread._share() == 0.18, "what is free when it starts, and not what was"


def test_daggers_resource_chooses_too_and_its_device_comes_first(
    old_card: None, study_file: Callable[..., Path], tmp_path: Path
) -> None:
    study = load_study(auto_study(study_file, "transformers"))
    resource = GPUResource(study=study, cache=tmp_path, device="cpu")
    with dg.build_resources({"gpu": resource}) as resources:
        services = resources.gpu
        assert (services.study, services.cache) == (study, tmp_path)
        assert services.choice.device == "cpu"
        services._engine = engine = FakeEngine(lambda request: [])
        assert engine.calls == []
    assert engine.calls == [("close",)], "the device is free when the run ends"


def test_a_dtype_that_is_named_asks_no_hardware(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(device: str) -> Hardware:
        raise AssertionError(device)

    monkeypatch.setattr("resources.gpu.hardware", asked)
    services = StudyServices(load_study("organism"), tmp_path)
    assert services.model_files("llama").dtype == "float32"


def test_what_was_left_open_stands_in_the_statements(
    study_file: Callable[..., Path], tmp_path: Path
) -> None:
    """The manifest, which any machine may make, says what was asked; the others what was done."""
    recipe = {"cut": {"tokens": 8}, "whole_share": 0.0, "adapter": {"steps": 2, "batch": 4}}
    study = study_file(
        models={"llama": {"source": "organism:llama", "dtype": "auto"}},
        engine={"device": "cpu"},
        problems=MINIATURE["problems"] | {"evaluation": {"count": 1, "seed": 90}},  # type: ignore[operator]
        generation={"samples": 1, "budget": 32, "answer_tokens": 8, "waits": 0},
        variants={"base": {}, "mitt": {"recipe": recipe}},
        statistics={"resamples": 100},
    )
    maker = open_maker(str(study))
    services = StudyServices(maker.graph.study, tmp_path / "cache")
    made = {
        asset: maker.make(asset, partition, services, "test").record
        for asset, partition in (
            ("problems", None),
            ("translations", "en"),
            ("base_model", "llama"),
            ("base/traces", "en|llama"),
            ("mitt/training_traces", "llama"),
            ("mitt/training_set", "llama"),
            ("mitt/adapter", "llama"),
        )
    }
    assert json.loads(maker.store.read(made["base_model"], "manifest.json"))["dtype"] == "auto"
    said = made["base/traces"].parameters["engine"]
    assert (said["dtype"], said["attention"]) == ("float32", "sdpa_grouped")
    assert made["mitt/adapter"].parameters["dtype"] == "float32"
    elsewhere = StudyServices(maker.graph.study, tmp_path / "cache")
    elsewhere.choice = replace(services.choice, dtype="bfloat16")
    subject = Subject(maker.graph, maker.store, made["mitt/adapter"], elsewhere)
    assert "settings" not in {one.values for one in judge(subject).blocking}


def test_the_plan_says_which_arithmetic_it_counts_with() -> None:
    organism = load_study("organism")
    models = {"llama": organism.models["llama"].model_copy(update={"dtype": "auto"})}
    left_open = organism.model_copy(update={"models": models})
    (half,) = plan(left_open, 1, Terms()).models
    (whole,) = plan(left_open, 1, Terms(dtype="float32")).models
    assert (half.dtype, whole.dtype) == ("bfloat16", "float32")
    assert whole.weights == 2 * half.weights
