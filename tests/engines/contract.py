"""What every engine must do, whatever it is: the same tests, run against each of them.

A test module subclasses ``EngineContract`` and gives the fixtures ``opened`` (makes an engine for a
model that is not loaded yet) and ``ground`` (the model, an adapter of it, and an engine that has
it loaded). The oracle is the model's own library, run afresh for every token.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mitt_assets.errors import ModelError
from mitt_assets.method.requests import Branch, ProbeRequest, Request, Sampling
from mitt_assets.study import Adapter
from resources.engines.base import ModelFiles, TraceEngine
from resources.tuning import TrainingRow, tune
from tests.fakes.tiny_models import CONTEXT, VOCABULARY, greedy_afresh, tiny_model

GREEDY = Sampling(temperature=0.0, top_p=1.0)
WARM = Sampling(temperature=0.9, top_p=0.95)
EOS = 1
STRONG = Adapter(rank=2, alpha=8, learning_rate=0.05, steps=3, batch=2)

Open = Callable[[ModelFiles], TraceEngine]


@dataclass(frozen=True)
class Ground:
    """A model of one family, an adapter tuned on it, and an engine with the model loaded."""

    files: ModelFiles
    adapter: Path
    engine: TraceEngine


def model_and_adapter(folder: Path, family: str) -> tuple[ModelFiles, Path]:
    """A model of ``family`` with grouped heads, and an adapter that changes what it says."""
    files = tiny_model(folder / family, family, shared_heads=2, width=128)
    # Named as a store names it: by content.
    adapter = folder / "adapters" / f"{family}-0123456789abcdef"
    tune(files, [TrainingRow((1, 2, 3, 4, 5), 2)], STRONG, adapter, device="cpu")
    return files, adapter


def some_requests(count: int, longest: int = 60, seed: int = 0) -> list[Request]:
    draw = random.Random(seed)
    return [
        Request(
            tokens=tuple(draw.randrange(VOCABULARY) for _ in range(draw.randint(1, 40))),
            seed=draw.getrandbits(63),
            max_tokens=draw.randint(0, longest),
            stop=tuple(draw.sample(range(VOCABULARY), draw.randint(0, 2))),
        )
        for _ in range(count)
    ]


def some_probes() -> list[ProbeRequest]:
    """Branches at every place there is: the start, block edges, the end, twice, out of order."""
    draw = random.Random(7)
    trace = tuple(draw.randrange(VOCABULARY) for _ in range(150))
    places = (64, 0, 31, 32, 33, 150, 96, 96)
    return [
        ProbeRequest(
            (4, 5, 6), trace, tuple(Branch(at, (7, 8, 9)[: 1 + at % 3]) for at in places), 5, ()
        ),
        ProbeRequest((4, 5, 6), trace[:40], (Branch(40, (7,)),), 6, (3, 11, 30)),
        ProbeRequest((9,), trace, (), 5, ()),
    ]


class EngineContract:
    """Subclass it with the fixtures ``opened`` and ``ground``."""

    def test_greedy_tokens_are_the_librarys_own(self, ground: Ground) -> None:
        draw = random.Random(1)
        prompts = [tuple(draw.randrange(VOCABULARY) for _ in range(n)) for n in (1, 2, 17, 33)]
        made = ground.engine.generate([Request(p, 0, 25, ()) for p in prompts], GREEDY)
        for prompt, continuation in zip(prompts, made, strict=True):
            assert continuation.tokens == greedy_afresh(ground.files, prompt, 25)
            assert not continuation.stopped

    def test_a_draw_depends_on_neither_order_nor_company(self, ground: Ground) -> None:
        requests = some_requests(24)
        together = ground.engine.generate(requests, WARM)
        backwards = ground.engine.generate(requests[::-1], WARM)[::-1]
        alone = [ground.engine.generate([request], WARM)[0] for request in requests[:6]]
        assert together == backwards
        assert together[:6] == alone

    def test_a_seed_draws_its_own_tokens(self, ground: Ground) -> None:
        requests = [Request((5, 6), seed, 20, ()) for seed in (*range(7), 2**63 - 1)]
        assert len({c.tokens for c in ground.engine.generate(requests, WARM)}) == 8

    def test_a_stop_token_ends_a_row_and_is_its_last(self, ground: Ground) -> None:
        free = ground.engine.generate([Request((3, 4), 7, 40, ())], WARM)[0].tokens
        stop, other = free[12], next(t for t in range(VOCABULARY) if t not in free)
        cut = ground.engine.generate([Request((3, 4), 7, 40, (other, stop))], WARM)[0]
        assert cut.stopped
        assert cut.tokens == free[: free.index(stop) + 1]

    def test_the_models_own_end_token_ends_nothing_unless_it_is_asked_to(
        self, ground: Ground
    ) -> None:
        free = [Request((3, n), n, 60, ()) for n in range(8)]
        made = ground.engine.generate(free, Sampling(2.0, 1.0))
        assert all(len(c.tokens) == 60 and not c.stopped for c in made)
        assert any(EOS in c.tokens for c in made)

    def test_limits_are_kept_and_none_is_none(self, ground: Ground) -> None:
        requests = [Request((3,), 1, limit, ()) for limit in (0, 1, 30)]
        assert [len(c.tokens) for c in ground.engine.generate(requests, WARM)] == [0, 1, 30]
        assert ground.engine.generate([], WARM) == []
        assert ground.engine.probe([]) == []

    def test_probes_equal_every_prefix_run_afresh(self, ground: Ground) -> None:
        asked = some_probes()
        expected = [
            [
                _cut(greedy_afresh(ground.files, _prefix(r, b), r.max_tokens), r.stop)
                for b in r.branches
            ]
            for r in asked
        ]
        assert ground.engine.probe(asked) == expected
        nothing = [replace(request, max_tokens=0) for request in asked]
        assert ground.engine.probe(nothing) == [[()] * len(r.branches) for r in asked]

    def test_an_adapter_comes_and_goes_on_the_same_prompts(
        self, ground: Ground, tmp_path: Path
    ) -> None:
        """vLLM's trap: what an adapter leaves in a cache must never answer for the base."""
        files, engine = ground.files, ground.engine
        asked, probes = some_requests(6, seed=3), some_probes()
        plain, plainly = engine.generate(asked, GREEDY), engine.probe(probes)
        try:
            for _ in range(2):
                engine.load(files, ground.adapter)
                adapted, answers = engine.generate(asked, GREEDY), engine.probe(probes)
                assert (adapted, answers) == _with_adapter(ground, asked, probes)
                assert adapted != plain
                assert answers != plainly
                engine.load(files, None)
                assert engine.generate(asked, GREEDY) == plain
                assert engine.probe(probes) == plainly
        finally:
            engine.load(files, None)

    def test_progress_never_goes_back_and_ends_with_every_request(self, ground: Ground) -> None:
        seen: list[tuple[int, int]] = []
        requests = [replace(one, max_tokens=one.max_tokens + 1) for one in some_requests(10)]
        made = ground.engine.generate(requests, WARM, lambda *now: seen.append(now))
        assert seen == sorted(seen)
        assert seen[-1][0] == len(requests)
        assert seen[-1][1] >= sum(len(one.tokens) for one in made)
        seen.clear()
        ground.engine.probe(some_probes()[:2], lambda *now: seen.append(now))
        assert seen == sorted(seen)
        assert seen[-1][0] == 2

    @pytest.mark.parametrize(
        ("request_", "message"),
        [
            (Request((3, VOCABULARY), 5, 4, ()), r"request 1 \(seed 5\) holds token 61"),
            (Request((3, -1), 5, 4, ()), "holds token -1"),
            (Request((), 5, 4, ()), "no tokens"),
            (Request((3,), 5, CONTEXT, ()), "context is 1024"),
        ],
    )
    def test_requests_that_cannot_be_served_are_named(
        self, ground: Ground, request_: Request, message: str
    ) -> None:
        with pytest.raises(ModelError, match=message):
            ground.engine.generate([Request((1,), 1, 1, ()), request_], WARM)

    @pytest.mark.parametrize(
        ("branch", "message"),
        [
            (Branch(4, (1,)), "branch at 4: the trace has 3 tokens"),
            (Branch(2, ()), "suffix of probe request 0, branch at 2 has no tokens"),
            (Branch(2, (99,)), "holds token 99"),
        ],
    )
    def test_branches_that_cannot_be_served_are_named(
        self, ground: Ground, branch: Branch, message: str
    ) -> None:
        with pytest.raises(ModelError, match=message):
            ground.engine.probe([ProbeRequest((1,), (1, 2, 3), (branch,), 2, ())])

    def test_an_adapter_of_another_base_is_refused_and_the_base_still_serves(
        self, ground: Ground, tmp_path: Path
    ) -> None:
        asked = some_requests(2, seed=4)
        plain = ground.engine.generate(asked, GREEDY)
        with pytest.raises(ModelError, match="another base than model .* names tests/other"):
            ground.engine.load(ground.files, _renamed(ground.adapter, tmp_path / "other"))
        with pytest.raises(ModelError, match="no adapter_config.json there"):
            ground.engine.load(ground.files, tmp_path)
        assert ground.engine.generate(asked, GREEDY) == plain

    def test_a_folder_without_a_language_model_is_refused(
        self, opened: Open, ground: Ground, tmp_path: Path
    ) -> None:
        engine = opened(ground.files)
        with pytest.raises(ModelError, match=f"model {ground.files.slug} "):
            engine.load(replace(ground.files, folder=tmp_path / "gone"), None)
        (tmp_path / "config.json").write_text('{"model_type": "t5"}', encoding="utf-8")
        (tmp_path / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
        with pytest.raises(ModelError, match="decoder-only"):
            engine.load(replace(ground.files, folder=tmp_path), None)

    def test_without_a_model_the_engine_says_so(self, opened: Open, ground: Ground) -> None:
        with pytest.raises(ModelError, match="call load first"):
            opened(ground.files).generate([], WARM)
        with pytest.raises(ModelError, match="call load first"):
            opened(ground.files).probe([])

    def test_what_it_says_of_itself_is_plain_data(self, ground: Ground) -> None:
        said = ground.engine.describe()
        assert json.loads(json.dumps(said)) == said
        assert {"engine", "device", "dtype", "probe_method"} <= set(said)


def _with_adapter(
    ground: Ground, asked: list[Request], probes: list[ProbeRequest]
) -> tuple[list, list]:
    """What the default engine, whose adapters are the library's own, makes of the same."""
    from resources.engines.transformers_engine import TransformersEngine

    engine = TransformersEngine("cpu", "naive")
    engine.load(ground.files, ground.adapter)
    return engine.generate(asked, GREEDY), engine.probe(probes)


def _prefix(request: ProbeRequest, branch: Branch) -> tuple[int, ...]:
    return request.prompt + request.trace[: branch.position] + branch.suffix


def _cut(tokens: tuple[int, ...], stop: tuple[int, ...]) -> tuple[int, ...]:
    ends = [place for place, token in enumerate(tokens) if token in stop]
    return tokens[: ends[0] + 1] if ends else tokens


def _renamed(adapter: Path, folder: Path) -> Path:
    """A copy of an adapter that says it belongs to another base."""
    folder.mkdir()
    settings = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    settings["base_model_name_or_path"] = "tests/other"
    (folder / "adapter_config.json").write_text(json.dumps(settings), encoding="utf-8")
    weights = (adapter / "adapter_model.safetensors").read_bytes()
    (folder / "adapter_model.safetensors").write_bytes(weights)
    return folder
