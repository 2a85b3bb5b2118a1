"""Packed probes: token for token what running every prefix afresh gives."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mitt_assets.method.requests import Branch, ProbeRequest
from resources.engines.base import ModelFiles
from resources.engines.transformers_engine import TransformersEngine
from tests.fakes.tiny_models import FAMILIES, VOCABULARY, greedy_afresh, tiny_model

TOKENS = st.integers(0, VOCABULARY - 1)


@pytest.fixture(scope="module", params=[(f, heads) for f in FAMILIES for heads in (4, 2)], ids=str)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    family, shared = request.param
    return tiny_model(tmp_path_factory.mktemp("models") / family, family, shared_heads=shared)


@pytest.fixture(scope="module")
def packed(model: ModelFiles) -> TransformersEngine:
    return loaded(model, TransformersEngine("cpu", "packed"))


@pytest.fixture(scope="module")
def naive(model: ModelFiles) -> TransformersEngine:
    return loaded(model, TransformersEngine("cpu", "naive"))


def loaded(model: ModelFiles, engine: TransformersEngine) -> TransformersEngine:
    engine.load(model, None)
    return engine


@st.composite
def probe_requests(draw: st.DrawFn) -> ProbeRequest:
    trace = draw(st.lists(TOKENS, max_size=50))
    branch = st.builds(
        Branch,
        position=st.integers(0, len(trace)),
        suffix=st.lists(TOKENS, min_size=1, max_size=5).map(tuple),
    )
    return ProbeRequest(
        prompt=tuple(draw(st.lists(TOKENS, min_size=1, max_size=20))),
        trace=tuple(trace),
        branches=tuple(draw(st.lists(branch, max_size=9))),
        max_tokens=draw(st.integers(0, 6)),
        stop=tuple(draw(st.lists(TOKENS, max_size=15))),
    )


@given(requests=st.lists(probe_requests(), max_size=5))
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
def test_packed_equals_naive_for_any_branches(
    packed: TransformersEngine, naive: TransformersEngine, requests: list[ProbeRequest]
) -> None:
    assert packed.probe(requests) == naive.probe(requests)


def test_both_equal_the_library_run_afresh(
    packed: TransformersEngine, naive: TransformersEngine, model: ModelFiles
) -> None:
    draw = random.Random(3)
    trace = tuple(draw.randrange(VOCABULARY) for _ in range(70))
    branches = tuple(Branch(at, (7, 8, 9)[: 1 + at % 3]) for at in (0, 32, 33, 64, 70))
    request = ProbeRequest((4, 5, 6), trace, branches, 5, ())
    expected = [
        greedy_afresh(model, (4, 5, 6, *trace[: b.position], *b.suffix), 5) for b in branches
    ]
    assert packed.probe([request]) == naive.probe([request]) == [expected]


def test_more_branches_than_one_pack_holds(
    packed: TransformersEngine, naive: TransformersEngine
) -> None:
    draw = random.Random(4)
    requests = [
        ProbeRequest(
            prompt=(1, 2),
            trace=tuple(draw.randrange(VOCABULARY) for _ in range(200)),
            branches=tuple(Branch(at, (7, 8)) for at in range(0, 200, step)),
            max_tokens=4,
            stop=(5, 6, 7, 8),
        )
        for step in (2, 5, 90)
    ]
    assert packed.probe(requests) == naive.probe(requests)


def test_batches_change_nothing(packed: TransformersEngine, model: ModelFiles) -> None:
    draw = random.Random(5)
    requests = [
        ProbeRequest(
            prompt=tuple(draw.randrange(VOCABULARY) for _ in range(draw.randint(1, 9))),
            trace=tuple(draw.randrange(VOCABULARY) for _ in range(40)),
            branches=tuple(Branch(at, (7,)) for at in range(0, 41, draw.choice((4, 8, 20)))),
            max_tokens=4,
            stop=(3,),
        )
        for _ in range(12)
    ]
    small = loaded(model, TransformersEngine("cpu", "packed", probe_tokens=60))
    assert small.probe(requests) == packed.probe(requests)


def test_a_branch_sees_only_its_own_prefix(packed: TransformersEngine) -> None:
    trace = tuple(range(40))
    other = trace[:20] + trace[:19:-1]
    asked = [
        ProbeRequest((1,), t, (Branch(20, (9,)), Branch(40, (9,))), 6, ()) for t in (trace, other)
    ]
    first, second = packed.probe(asked)
    assert first[0] == second[0]
    assert first[1] != second[1]


def test_progress_ends_with_every_request(packed: TransformersEngine) -> None:
    seen: list[tuple[int, int]] = []
    request = ProbeRequest((1, 2), (3, 4, 5), (Branch(1, (6,)), Branch(3, (6, 7))), 2, ())
    packed.probe([request, request], lambda *now: seen.append(now))
    assert seen == sorted(seen)
    assert seen[-1] == (2, 2 * (5 + 3 + 2))


def test_a_trace_twice_as_long_takes_twice_the_tokens(packed: TransformersEngine) -> None:
    """Run afresh, the prefixes of a trace take four times as many."""

    def computed(length: int) -> int:
        seen: list[int] = []
        branches = tuple(Branch(at, (6, 7)) for at in range(8, length + 1, 8))
        request = ProbeRequest((1, 2), tuple(n % 50 for n in range(length)), branches, 3, ())
        packed.probe([request], lambda done, tokens: seen.append(tokens))
        return seen[-1]

    assert computed(640) <= 2.1 * computed(320)


def test_probes_take_no_more_columns_than_they_fill(
    packed: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from resources.engines import packed_probes

    made: list[Any] = []
    real = packed_probes.read_prompts

    def watched(*given: Any) -> Any:
        made.append(real(*given))
        return made[-1]

    monkeypatch.setattr(packed_probes, "read_prompts", watched)
    branches = tuple(Branch(at, (6, 7)) for at in range(0, 600, 2))
    packed.probe([ProbeRequest((1, 2), tuple(n % 50 for n in range(600)), branches, 20, ())])
    [(cache, columns)] = made
    layer = cache.layers[0]
    assert layer.keys.shape[2] <= layer.most == columns + 32 * 22


def test_probes_that_do_not_fit_the_device_are_answered_in_smaller_batches(
    packed: TransformersEngine, model: ModelFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from resources.engines import packed_probes

    whole = packed_probes.answer_together

    def small_device(
        model: Any, requests: Sequence[ProbeRequest], *more: Any
    ) -> list[list[tuple[int, ...]]]:
        if len(requests) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(model, requests, *more)

    trace = tuple(range(40))
    requests = [ProbeRequest((n,), trace, (Branch(20, (9,)),), 4, ()) for n in range(7)]
    expected = packed.probe(requests)
    engine = loaded(model, TransformersEngine("cpu", "packed"))
    monkeypatch.setattr(packed_probes, "answer_together", small_device)
    assert engine.probe(requests) == expected
    assert engine.describe()["memory_note"] == "batches halved 3 times for lack of device memory"
    engine.load(model, None)  # what the next partition begins with
    assert "memory_note" not in engine.describe()
