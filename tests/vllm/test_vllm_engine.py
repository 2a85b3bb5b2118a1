"""The vllm engine on the real library, on a CPU."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from mitt_assets.method.requests import Branch, ProbeRequest, Request
from mitt_assets.study import Vllm
from resources.engines.base import ModelFiles
from resources.engines.vllm_engine import VllmEngine
from tests.engines.contract import (
    GREEDY,
    STRONG,
    WARM,
    EngineContract,
    Ground,
    Open,
)
from tests.fakes.tiny_models import VOCABULARY, greedy_afresh
from tests.vllm.conftest import BY_FAMILY

SETTINGS = Vllm(memory_share=0.1, enforce_eager=True)


@pytest.fixture(scope="module")
def opened() -> Open:
    return lambda files: VllmEngine("cpu", SETTINGS, STRONG.rank)


@pytest.fixture(scope="module")
def ground(model: tuple[ModelFiles, Path], opened: Open) -> Iterator[Ground]:
    files, adapter = model
    engine = opened(files)
    engine.load(files, None)
    yield Ground(files, adapter, engine)
    engine.close()


class TestVllm(EngineContract):
    """All of it, with both families, float32."""

    def test_prefixes_of_a_trace_are_read_once(self, ground: Ground) -> None:
        draw = random.Random(11)
        trace = tuple(draw.randrange(VOCABULARY) for _ in range(960))
        places = range(32, 961, 32)
        probe = ProbeRequest((5, 6), trace, tuple(Branch(at, (7, 8)) for at in places), 3, ())
        computed: list[int] = []
        ground.engine.probe([probe], lambda _, tokens: computed.append(tokens))
        afresh = sum(2 + at + 2 for at in places)
        # Each prefix ends within a block of 32, which is read again, and answers 3 tokens.
        assert computed[-1] < 962 + len(places) * (32 + 2 + 3) < afresh / 5

    def test_vllm_says_which_attention_it_chose(self, ground: Ground) -> None:
        said = ground.engine.describe()
        assert (said["attention"], said["memory_share"]) == (["CPU_ATTN"], 0.1)

    @pytest.mark.parametrize("model", [BY_FAMILY["qwen2"]], indirect=True)
    def test_a_killed_process_is_replaced_and_nothing_is_lost(self, ground: Ground) -> None:
        engine = ground.engine
        assert isinstance(engine, VllmEngine)
        asked = [Request((3, n), n, 900, ()) for n in range(24)]
        [worker] = engine._workers
        first = worker.pid

        def kill_once(finished: int, tokens: int) -> None:
            if engine._workers[0].pid == first:
                os.kill(first, signal.SIGKILL)

        made = engine.generate(asked, WARM, kill_once)
        assert engine._workers[0].pid != first
        assert "1 times" in engine.describe()["lost"]
        assert made == engine.generate(asked, WARM)
        assert greedy_afresh(ground.files, (3, 4), 5) == (
            engine.generate([Request((3, 4), 0, 5, ())], GREEDY)[0].tokens
        )
