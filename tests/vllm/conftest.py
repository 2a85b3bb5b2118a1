"""Real vLLM: one engine and one server per family, shared by all tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from resources.engines.base import ModelFiles
from tests.engines.contract import model_and_adapter
from tests.fakes.tiny_models import FAMILIES


@pytest.fixture(autouse=True, scope="session")
def small_cache() -> Iterator[None]:
    """A gigabyte of keys and values is more than these models can fill."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
        yield


# A family to a process: its model is loaded by one engine and one server.
BY_FAMILY = {name: pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in FAMILIES}


@pytest.fixture(scope="session", params=BY_FAMILY.values())
def model(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ModelFiles, Path]:
    """A model and its adapter."""
    return model_and_adapter(tmp_path_factory.mktemp("models"), request.param)
