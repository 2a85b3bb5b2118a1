"""Which engine a study gets, what it cost, and who must leave the device before training."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mitt_assets.assets.measured import Measured
from mitt_assets.study import Study
from mitt_assets.study_file import load_study
from resources import services as services_module
from resources.engines.server_engine import ServerEngine
from resources.engines.transformers_engine import TransformersEngine
from resources.engines.vllm_engine import VllmEngine
from resources.services import StudyServices
from tests.fakes.engine import FakeEngine


def study_with(name: str) -> Study:
    plain = load_study("organism").model_dump(mode="json")
    plain["engine"].update(
        name=name, server={"endpoints": {slug: {"model": slug} for slug in plain["models"]}}
    )
    return Study.model_validate(plain)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("transformers", TransformersEngine), ("vllm", VllmEngine), ("server", ServerEngine)],
)
def test_a_study_gets_the_engine_it_names(name: str, kind: type, tmp_path: Path) -> None:
    engine = StudyServices(study_with(name), tmp_path, "cpu").engine()
    assert type(engine) is kind
    if isinstance(engine, VllmEngine):
        assert engine.rank == 8


def test_the_engine_leaves_a_device_that_is_to_train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services_module, "choose_device", lambda wanted: wanted)
    released: list[str] = []
    monkeypatch.setattr(services_module, "release", released.append)
    for device, calls in (("cpu", []), ("cuda", [("close",)])):
        services = StudyServices(load_study("organism"), tmp_path, device)
        services.free_device()
        engine = FakeEngine(lambda request: [])
        services._engine = engine
        services.free_device()
        assert engine.calls == calls
    assert released == ["cuda", "cuda"]


class _Paid(FakeEngine):
    def memory_peak(self) -> int:
        return 3 * 2**29


def test_what_it_took_is_told_as_far_as_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    counters = iter([100.0, 7300.0])
    monkeypatch.setattr("resources.gpu.visible_devices", lambda: ["0"])
    monkeypatch.setattr("resources.energy.joules", lambda devices: next(counters))
    services = SimpleNamespace(device=lambda: "cuda")
    work: Any = SimpleNamespace(tokens=0, computing=0.0, services=services)
    measured = Measured(work, _Paid(lambda request: []).memory_peak)
    work.tokens, work.computing = 500, 4.0
    assert measured.metadata() == {
        "tokens computed per second": 125.0,
        "memory peak (GiB)": 1.5,
        "energy (Wh)": 2.0,
    }
    on_cpu: Any = SimpleNamespace(
        tokens=0, computing=0.0, services=SimpleNamespace(device=lambda: "cpu")
    )
    assert Measured(on_cpu, FakeEngine(lambda request: []).memory_peak).metadata() == {}
