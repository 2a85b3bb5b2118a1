"""A partition made by a server: killed in the middle it ends as undisturbed, and no key is kept."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import pytest

from mitt_assets.errors import TransientError
from mitt_assets.home import open_maker
from mitt_assets.lineage.statement import Record
from mitt_assets.materialise import Maker
from resources.services import StudyServices
from tests.conftest import MINIATURE
from tests.fakes.completions_server import CompletionsServer, Heard, Said, completion, models

KEY = "sk-never-written-8142"
SHARD = 2
"""Traces in a shard; the partition has three of them."""
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


@pytest.fixture
def served(
    study_file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Maker, StudyServices]]:
    """A study whose model a server has, in a home of its own, with what traces are made from."""

    def made(url: str, home: str, **settings: object) -> tuple[Maker, StudyServices]:
        monkeypatch.setenv("MITT_HOME", str(tmp_path / home))
        endpoints = {"llama": {"url": url, "model": "tiny"}}
        study = study_file(
            languages={"en": MINIATURE["languages"]["en"]},  # type: ignore[index]
            problems=MINIATURE["problems"] | {"training": None},  # type: ignore[operator]
            generation={"samples": 2, "budget": 24, "answer_tokens": 4, "waits": 1},
            variants={"base": {}},
            engine={
                "name": "server",
                "shard": SHARD,
                "server": {"endpoints": endpoints, "concurrency": 1, **settings},
            },
            statistics={"resamples": 100},
        )
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
