"""The default engine keeps every engine's contract."""

from __future__ import annotations

import pytest

from resources.engines.transformers_engine import TransformersEngine
from tests.engines.contract import EngineContract, Ground, Open, model_and_adapter
from tests.fakes.tiny_models import FAMILIES


@pytest.fixture(scope="class")
def opened() -> Open:
    return lambda files: TransformersEngine("cpu")


@pytest.fixture(scope="class", params=FAMILIES)
def ground(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, opened: Open
) -> Ground:
    files, adapter = model_and_adapter(tmp_path_factory.mktemp("models"), request.param)
    engine = opened(files)
    engine.load(files, None)
    return Ground(files, adapter, engine)


class TestTransformers(EngineContract):
    """All of it, with both families."""
