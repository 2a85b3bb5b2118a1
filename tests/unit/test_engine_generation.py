"""Generation: the library's own tokens, whatever the order, company or length of the requests."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mitt_assets.method.requests import Branch, Continuation, ProbeRequest, Request
from resources.engines import decoding
from resources.engines.base import ModelFiles
from resources.engines.transformers_engine import TransformersEngine
from tests.engines.contract import GREEDY, WARM, some_requests
from tests.fakes.tiny_models import FAMILIES, VOCABULARY, greedy_afresh, tiny_model


@pytest.fixture(scope="module", params=[(f, heads) for f in FAMILIES for heads in (4, 2)], ids=str)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    family, shared = request.param
    return tiny_model(tmp_path_factory.mktemp("models") / family, family, shared_heads=shared)


@pytest.fixture(scope="module")
def engine(model: ModelFiles) -> TransformersEngine:
    engine = TransformersEngine("cpu")
    engine.load(model, None)
    return engine


def test_greedy_tokens_are_those_of_the_library_run_afresh(
    engine: TransformersEngine, model: ModelFiles
) -> None:
    draw = random.Random(1)
    prompts = [tuple(draw.randrange(VOCABULARY) for _ in range(n)) for n in (1, 2, 17, 33)]
    made = engine.generate([Request(p, 0, 25, ()) for p in prompts], GREEDY)
    for prompt, continuation in zip(prompts, made, strict=True):
        assert continuation.tokens == greedy_afresh(model, prompt, 25)
        assert not continuation.stopped


def test_a_draw_depends_on_neither_order_nor_company(engine: TransformersEngine) -> None:
    requests = some_requests(24)
    together = engine.generate(requests, WARM)
    backwards = engine.generate(requests[::-1], WARM)[::-1]
    alone = [engine.generate([request], WARM)[0] for request in requests]
    assert together == backwards == alone


def test_a_trace_longer_than_the_first_buffer_is_the_same_as_one_that_fits(
    engine: TransformersEngine, model: ModelFiles
) -> None:
    made = engine.generate([Request((9, 8, 7), 0, 400, ())], GREEDY)[0].tokens
    assert greedy_afresh(model, (9, 8, 7, *made[:390]), 10) == made[390:]


def test_progress_counts_requests_and_tokens_and_never_goes_back(
    engine: TransformersEngine,
) -> None:
    seen: list[tuple[int, int]] = []
    requests = some_requests(10)
    made = engine.generate(requests, WARM, lambda *now: seen.append(now))
    assert seen == sorted(seen)
    asked = [r for r in requests if r.max_tokens]
    prompts = sum(len(r.tokens) - 1 for r in asked)
    assert seen[-1] == (len(asked), prompts + sum(len(c.tokens) for c in made))


def test_what_does_not_fit_the_device_is_generated_in_smaller_batches(
    engine: TransformersEngine, model: ModelFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    whole = decoding.continue_together

    def small_device(model: Any, requests: Sequence[Request], *given: Any) -> list[Continuation]:
        if len(requests) > 2:
            *more, count = given
            count(1, 1)  # one had ended by then
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(model, requests, *given)

    requests = [Request((n, 7), n, 5, ()) for n in range(7)]
    expected = engine.generate(requests, WARM)
    cramped = TransformersEngine("cpu")
    cramped.load(model, None)
    monkeypatch.setattr(decoding, "continue_together", small_device)
    finished: list[int] = []
    assert cramped.generate(requests, WARM, lambda done, _: finished.append(done)) == expected
    assert cramped.describe()["memory_note"] == "batches halved 3 times for lack of device memory"
    assert finished == sorted(finished)
    assert finished[-1] == 7


def test_a_sliding_window_model_generates_rightly_and_probes_naively(tmp_path: Path) -> None:
    files = tiny_model(tmp_path / "mistral", "mistral", shared_heads=2, sliding_window=8)
    engine = TransformersEngine("cpu", "packed")
    engine.load(files, None)
    prompts = [(5, 6, 7), tuple(range(20)), (9,)]
    made = engine.generate([Request(p, 0, 15, ()) for p in prompts], GREEDY)
    assert [c.tokens for c in made] == [greedy_afresh(files, p, 15) for p in prompts]
    said = engine.describe()
    assert said["probe_method"] == "naive"
    assert "sliding" in said["probe_note"]
    asked = ProbeRequest((5, 6), tuple(range(20)), (Branch(9, (2, 3)), Branch(20, (2,))), 4, ())
    expected = [greedy_afresh(files, (5, 6, *range(9), 2, 3), 4)]
    expected += [greedy_afresh(files, (5, 6, *range(20), 2), 4)]
    assert engine.probe([asked]) == [expected]


def test_sliding_rows_draw_alike_in_any_company(tmp_path: Path) -> None:
    engine = TransformersEngine("cpu")
    engine.load(tiny_model(tmp_path / "mistral", "mistral", sliding_window=8), None)
    requests = some_requests(8, longest=20)
    alone = [engine.generate([request], WARM)[0] for request in requests]
    assert engine.generate(requests, WARM) == alone
