"""A partition made by a server: killed in the middle it ends as undisturbed, and no key is kept."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import pytest

from mitt_assets.errors import RefusedError, TransientError
from mitt_assets.home import open_maker
from mitt_assets.lineage.statement import Record
from mitt_assets.materialise import Maker
from mitt_assets.runner.plan import Selection
from mitt_assets.study_knowledge import MakersKnowledge
from resources.services import StudyServices
from tests.conftest import MINIATURE
from tests.fakes.completions_server import CompletionsServer, Heard, Said, completion, models
from tests.making import make_due

KEY = "sk-never-written-8142"
SHARD = 2
"""Traces in a shard; the partition has three of them."""
SMALL: dict[str, object] = {
    "languages": {"en": MINIATURE["languages"]["en"]},  # type: ignore[index]
    "problems": MINIATURE["problems"] | {"training": None},  # type: ignore[operator]
    "generation": {"samples": 2, "budget": 24, "answer_tokens": 4, "waits": 1},
    "variants": {"base": {}},
    "statistics": {"resamples": 100},
}
WORDS = range(300, 400)
"""Token ids that a thought is written in: none of them is special in the organism's vocabulary."""


def written(heard: Heard) -> Said:
    """What a model would: the same to the same question, and never a stop token."""
    asked = (heard.body["seed"], tuple(heard.body["prompt"]))
    draw = random.Random(hashlib.sha256(repr(asked).encode()).digest())
    return completion(draw.choices(WORDS, k=heard.body["max_tokens"]))


def listed(heard: Heard) -> Said:
    return models("tiny")


class Dying(CompletionsServer):
    """Is gone with its ``last`` completion; every connection that is still open is cut."""

    def __init__(self, last: int, then: Callable[[], None] = lambda: None) -> None:
        super().__init__(models=listed, completions=self._answer)
        self._last = last
        self._then = then

    def _answer(self, heard: Heard) -> Said:
        number = len(self.asked("/v1/completions"))
        if number == self._last:
            Thread(target=self._die, daemon=True).start()
        return written(heard) if number < self._last else Said(None)

    def _die(self) -> None:
        self.__exit__()
        self._then()

    def __exit__(self, *error: object) -> None:
        if self._server.socket.fileno() >= 0:
            super().__exit__(*error)


def whole(port: int = 0) -> CompletionsServer:
    return CompletionsServer(port, models=listed, completions=written)


def engine(url: str, **settings: object) -> dict[str, object]:
    endpoints = {"llama": {"url": url, "model": "tiny"}}
    server = {"endpoints": endpoints, "concurrency": 1, **settings}
    return {"name": "server", "shard": SHARD, "server": server}


@pytest.fixture
def served(
    study_file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Maker, StudyServices]]:
    """A study whose model a server has, in a home of its own, with what traces are made from."""

    def made(url: str, home: str, **settings: object) -> tuple[Maker, StudyServices]:
        monkeypatch.setenv("MITT_HOME", str(tmp_path / home))
        study = study_file(**SMALL, engine=engine(url, **settings))
        maker = open_maker(str(study))
        services = StudyServices(maker.graph.study, tmp_path / home / "cache", "cpu")
        before = (("problems", None), ("translations", "en"), ("base_model", "llama"))
        for asset, partition in before:
            maker.make(asset, partition, services, "test")
        return maker, services

    return made


def traces(made: tuple[Maker, StudyServices]) -> Record:
    return made[0].make("base/traces", "en|llama", made[1], "test").record


def seeds(server: CompletionsServer) -> list[int]:
    """Of the traces a server was asked for, as they came."""
    return list(dict.fromkeys(heard.body["seed"] for heard in server.asked("/v1/completions")))


@pytest.mark.parametrize("attempts", [1, 8], ids=["made again", "waited out"])
def test_a_server_killed_in_mid_partition_costs_no_finished_shard(
    served: Callable[..., tuple[Maker, StudyServices]], attempts: int
) -> None:
    with whole() as undisturbed:
        expected = traces(served(undisturbed.url, "undisturbed"))
    calls = undisturbed.asked("/v1/completions")
    order = seeds(undisturbed)
    assert len(order) == 3 * SHARD
    first_of_second = next(n for n, one in enumerate(calls) if one.body["seed"] == order[SHARD])
    again: list[CompletionsServer] = []
    back = Event()

    def start_again() -> None:
        again.append(whole(dying.port).__enter__())
        back.set()

    dying = Dying(first_of_second + 2, start_again)
    with dying:
        made = served(dying.url, "disturbed", attempts=attempts)
        if attempts == 1:
            with pytest.raises(TransientError, match="finished shards are kept, so run again"):
                traces(made)
            assert made[0].store.current("base/traces", "en|llama") is None
            assert back.wait(10)
        record = traces(made)
    again[0].__exit__()
    assert record.content == expected.content
    assert seeds(dying)[:SHARD] == order[:SHARD]
    assert set(seeds(again[0])) <= set(order[SHARD:]), "the finished shard is not made again"


def test_a_key_is_in_no_file_of_a_home(
    served: Callable[..., tuple[Maker, StudyServices]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OUR_KEY", KEY)
    told: list[str] = []
    with whole() as server:
        made = served(server.url, "home", key_variable="OUR_KEY")
        maker, services = made
        maker.make("base/traces", "en|llama", services, "test", lambda beat: told.append(str(beat)))
    assert {one.headers["Authorization"] for one in server.heard} == {f"Bearer {KEY}"}
    files = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert len(files) > 10
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []
    assert not any(KEY in one for one in told)


def test_a_home_goes_from_weights_here_to_a_server_and_back(
    study_file: Callable[..., Path], own_home: Path
) -> None:
    with whole() as server:
        ours = study_file(**SMALL)
        theirs = study_file(**SMALL, engine=engine(server.url))
        for study, listed in ((ours, True), (theirs, False), (ours, True)):
            maker = open_maker(str(study))
            if maker.store.current("base_model", "llama"):
                the_old_manifest_is_refused(maker, own_home)
            make_due(maker, Selection(assets=("base/traces",)))
            model = maker.store.current("base_model", "llama")
            traces = maker.store.current("base/traces", "en|llama")
            assert model is not None and traces is not None and traces.rests_on(model)
            files = json.loads(maker.store.read(model, "manifest.json"))["files"]
            assert ("model.safetensors" in files) is listed
            assert MakersKnowledge(maker).weights(model) == files
            assert files.items() <= traces.materials.items()
            assert not maker.reasons("base/traces", "en|llama")


def the_old_manifest_is_refused(maker: Maker, home: Path) -> None:
    """Of the other engine: what is made without a run of it says what is wrong and what helps."""
    [reason] = maker.reasons("base_model", "llama")
    assert (reason.kind, reason.field) == ("study", "engine.name")
    services = StudyServices(maker.graph.study, home / "cache", "cpu")
    remedy = r"make it again with: mitt run --select base_model --model llama$"
    with pytest.raises(RefusedError, match=remedy):
        maker.make("base/traces", "en|llama", services, "test")
    verdict = maker.gate.verdict(maker.required("base_model", "llama"))
    assert verdict is not None
    rows = {one.says: one.rows for one in verdict.blocking}
    [file] = rows["files are those on this machine now"]
    if maker.graph.study.engine.name == "server":
        assert "no weights are listed: a server has the model" in rows
        assert file["here"] == "not read: a server has the model"
    else:
        assert "there is a file of weights" in rows
        assert file["recorded"] == "absent"
