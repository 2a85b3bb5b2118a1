"""The server engine over real HTTP on loopback, with a server that misbehaves on request."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import formatdate
from functools import partial
from pathlib import Path
from threading import Barrier

import pytest

from mitt_assets.errors import ModelError, StudyError, TransientError
from mitt_assets.method.requests import Branch, ProbeRequest, Request, Sampling
from mitt_assets.study import Endpoint, Server
from mitt_assets.study_file import parse
from resources.engines import server_engine
from resources.engines.base import ModelFiles
from resources.engines.server_client import LONGEST_WAIT, ServerClient, _wait
from resources.engines.server_engine import ServerEngine
from tests.engines.contract import model_and_adapter
from tests.fakes.completions_server import (
    Answer,
    CompletionsServer,
    Heard,
    Said,
    completion,
    models,
)
from tests.fakes.tiny_models import VOCABULARY

WARM = Sampling(0.9, 0.95)
KEY = "sk-very-secret-4711"
ASKED = Request((5, 6, 7), 2**63 - 1, 4, (9, 11))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelFiles, Path]:
    return model_and_adapter(tmp_path_factory.mktemp("models"), "qwen2")


@pytest.fixture
def waits() -> list[float]:
    """How long the engine would have slept; it does not."""
    return []


@pytest.fixture
def engine_for(model: tuple[ModelFiles, Path], waits: list[float]) -> Callable[..., ServerEngine]:
    def loaded(server: CompletionsServer, **settings: object) -> ServerEngine:
        endpoint = Endpoint(url=server.url, model="tiny")
        engine = ServerEngine(
            Server.model_validate({"endpoints": {"qwen2": endpoint}, "attempts": 4, **settings}),
            client=partial(ServerClient, sleep=waits.append),
        )
        engine.load(model[0], None)
        return engine

    return loaded


def served(completions: Answer, **more: Answer) -> CompletionsServer:
    return CompletionsServer(completions=completions, models=lambda heard: models("tiny"), **more)


def in_turn(*said: Said) -> Answer:
    """One answer after another; the last stays."""
    left = list(said)
    return lambda heard: left.pop(0) if len(left) > 1 else left[0]


def test_everything_a_server_could_decide_is_said(engine_for: Callable[..., ServerEngine]) -> None:
    with served(lambda heard: completion([3, 9], "stop")) as server:
        [made] = engine_for(server).generate([ASKED], WARM)
    assert (made.tokens, made.stopped) == ((3, 9), True)
    [heard] = server.asked("/v1/completions")
    assert heard.body == {
        "model": "tiny",
        "prompt": [5, 6, 7],
        "max_tokens": 4,
        "temperature": 0.9,
        "top_p": 0.95,
        "top_k": -1,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "seed": 2**63 - 1,
        "stop_token_ids": [9, 11],
        "ignore_eos": True,
        "skip_special_tokens": False,
        "return_token_ids": True,
        "n": 1,
        "stream": False,
    }


@pytest.mark.parametrize(
    "trouble",
    [
        Said(None),
        Said({"error": {"message": "busy"}}, 429),
        Said(b"bad gateway", 502),
        Said(b"", 503),
        Said({"error": {"message": "EngineDeadError"}}, 500),
        completion([3], "abort"),
    ],
    ids=["cut", "429", "502", "503", "500", "abort"],
)
def test_what_passes_is_waited_out(
    engine_for: Callable[..., ServerEngine], waits: list[float], trouble: Said
) -> None:
    with served(in_turn(trouble, trouble, completion([1, 2, 3, 4]))) as server:
        [made] = engine_for(server).generate([ASKED], WARM)
    assert made.tokens == (1, 2, 3, 4)
    bodies = [heard.body for heard in server.asked("/v1/completions")]
    assert len(bodies) == 3
    assert bodies[0] == bodies[1] == bodies[2]
    assert len(waits) == 2


def test_whoever_watches_hears_of_every_wait(
    engine_for: Callable[..., ServerEngine], waits: list[float]
) -> None:
    busy = Said({"error": {"message": "warming up"}}, 503, {"Retry-After": "7"})
    heard: list[tuple[str, str]] = []
    with served(in_turn(busy, Said(b"", 502), completion([1, 2, 3, 4]))) as server:
        engine = engine_for(server)
        engine.tell_waits(lambda what, why: heard.append((what, why)))
        engine.generate([ASKED], WARM)
    assert {what for what, _ in heard} == {f"the server at {server.url}"}
    assert heard[0][1] == "answers 503 (warming up); try 2 of 4 in 7 s"
    assert heard[1][1].startswith("answers 502 ()")
    assert len(heard) == len(waits)


def test_waits_double_to_a_minute_and_are_shortened_at_random() -> None:
    drawn = {attempt: [_wait(attempt) for _ in range(50)] for attempt in range(1, 10)}
    for attempt, some in drawn.items():
        longest = min(LONGEST_WAIT, 2.0 ** (attempt - 1))
        assert all(longest / 2 <= one <= longest for one in some)
        assert len(set(some)) > 1


def test_a_server_that_names_its_wait_is_obeyed(
    engine_for: Callable[..., ServerEngine], waits: list[float]
) -> None:
    seconds = Said(b"", 429, {"Retry-After": "7"})
    date = Said(b"", 503, {"Retry-After": formatdate(time.time() + 30, usegmt=True)})
    with served(in_turn(seconds, date, completion([1, 2, 3, 4]))) as server:
        engine_for(server).generate([ASKED], WARM)
    assert waits[0] == 7
    assert 20 < waits[1] <= 30


def test_a_wait_longer_than_the_timeout_is_told_instead(
    engine_for: Callable[..., ServerEngine], waits: list[float]
) -> None:
    busy = Said({"error": {"message": "quota"}}, 429, {"Retry-After": "7200"})
    with served(in_turn(busy)) as server:
        engine = engine_for(server, timeout=60)
        with pytest.raises(TransientError, match=r"429 \(quota\), and asks to wait 7200 s"):
            engine.generate([ASKED], WARM)
    assert waits == []


@pytest.mark.parametrize("named", ["9" * 5000, "Fri, 31 Dec 99999 23:59:59 GMT", "soon", "-5"])
def test_a_wait_that_is_no_number_and_no_date_is_not_one(
    engine_for: Callable[..., ServerEngine], waits: list[float], named: str
) -> None:
    busy = Said(b"", 429, {"Retry-After": named})
    with served(in_turn(busy, completion([1, 2, 3, 4]))) as server:
        [made] = engine_for(server).generate([ASKED], WARM)
    assert made.tokens == (1, 2, 3, 4)
    assert 0 < waits[0] <= 1


def test_a_server_that_stays_away_is_told_with_what_to_do(
    engine_for: Callable[..., ServerEngine], waits: list[float]
) -> None:
    with served(lambda heard: Said(None)) as server:
        engine = engine_for(server)
    told = r"no answer: .*refused.*\(tried 4 times\). Start the server.*run again"
    with pytest.raises(TransientError, match=told):
        engine.generate([ASKED], WARM)
    assert len(waits) == 3


def test_silence_ends_an_attempt(engine_for: Callable[..., ServerEngine]) -> None:
    def slowly(heard: Heard) -> Said:
        time.sleep(0.5)
        return completion([1, 2, 3, 4])

    with served(slowly) as server:
        engine = engine_for(server, timeout=0.1, attempts=2)
        with pytest.raises(TransientError, match=r"no answer: .*timed out.*tried 2 times"):
            engine.generate([ASKED], WARM)


@pytest.mark.parametrize("sized", [True, False], ids=["sized", "chunked"])
def test_an_answer_that_comes_drop_by_drop_ends_an_attempt(sized: bool, waits: list[float]) -> None:
    def drop(heard: Heard) -> Iterator[bytes]:
        for _ in range(400):
            yield b" "
            time.sleep(0.05)

    with CompletionsServer(completions=lambda heard: Said(drop(heard), sized=sized)) as server:
        client = ServerClient(
            server.url, None, timeout=0.3, attempts=2, concurrency=1, sleep=waits.append
        )
        began = time.monotonic()
        with pytest.raises(ModelError, match=r"no whole answer within .*tried 2 times"):
            client.post("/completions", {}, len)
    assert time.monotonic() - began < 9
    assert len(waits) == 1


def test_only_who_answered_before_may_come_back_later(waits: list[float]) -> None:
    busy = Said({"error": {"message": "later"}}, status=429)
    with CompletionsServer(completions=in_turn(busy, Said({"a": 1}), busy)) as server:
        client = ServerClient(
            server.url, None, timeout=9, attempts=1, concurrency=1, sleep=waits.append
        )
        with pytest.raises(ModelError, match="answers 429"):
            client.post("/completions", {}, len)
        assert client.post("/completions", {}, len)
        with pytest.raises(TransientError, match="answers 429"):
            client.post("/completions", {}, len)


def test_an_answer_cut_off_is_asked_for_again(waits: list[float]) -> None:
    cut = Said(iter([b'{"a": ']), sized=True)
    with CompletionsServer(completions=in_turn(cut, Said({"a": 1}))) as server:
        client = ServerClient(
            server.url, None, timeout=9, attempts=2, concurrency=1, sleep=waits.append
        )
        said = client.post("/completions", {}, lambda data: client.json("/completions", data))
    assert said == {"a": 1}
    assert len(waits) == 1


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            Said({"error": {"message": f"bad\n\x1b[31mkey {KEY}" + "x" * 999}}, 401),
            r"refuses with 401: bad \?\[31mkey \[key\]x{200,250}….*key_variable names",
        ),
        (Said({"detail": "no model"}, 404), "refuses with 404: no model. Mend the address"),
        (Said(b"moved", 307, {"Location": "http://127.0.0.1:9/"}), "307: moved. Give the address"),
        (Said({"error": "too long"}, 400), "refuses with 400: too long. See the server's own log"),
        (Said(b"<html>hi</html>"), "not JSON but '<html>hi</html>'"),
        (Said(b'{"choices": [{"tok'), "not JSON"),
        (Said([1, 2]), "no single choice"),
        (Said({"choices": []}), "no single choice"),
        (completion(None, "stop"), "no token ids .* vLLM 0.10.2"),  # type: ignore[arg-type]
        (completion([1, True], "stop"), "no token ids"),
        (completion([1, VOCABULARY], "stop"), r"token 61 is outside the vocabulary \(0 to 60\)"),
        (completion([-1], "stop"), "token -1 is outside"),
        (completion([1, 2, 3, 4], prompt_token_ids=[0, 5, 6, 7]), "changed the prompt"),
        (completion([1, 2, 3, 4, 5]), "5 tokens, where 4 were allowed"),
        (completion([1, 2]), "2 of 4 tokens without a stop token"),
        (completion([1, 9, 2, 3]), "went on behind a stop token"),
        (completion([9, 9], "stop"), "went on behind a stop token"),
        (Said(b"[" * 100_000), "not JSON"),
        (Said(b"[" * 100_000, 400), "refuses with 400"),
        # A key across the place where a long answer is cut.
        (Said(b"x" * 195 + KEY.encode()), "not JSON but 'x{195}.key.'"),
        (Said(b" " * 3_990 + KEY.encode(), 400), r"refuses with 400: \[key\]"),
        (Said([" " * 1_990 + KEY]), r"no single choice: \[' \[key\]'\]"),
    ],
    ids=range(22),
)
def test_what_does_not_pass_is_told_once(
    engine_for: Callable[..., ServerEngine],
    monkeypatch: pytest.MonkeyPatch,
    waits: list[float],
    said: Said,
    message: str,
) -> None:
    monkeypatch.setenv("OUR_KEY", KEY)
    with served(lambda heard: said) as server:
        engine = engine_for(server, key_variable="OUR_KEY")
        with pytest.raises(ModelError, match=message) as raised:
            engine.generate([ASKED], WARM)
    assert KEY[:4] not in str(raised.value)
    assert waits == []
    assert len(server.asked("/v1/completions")) == 1


def test_a_key_is_in_the_header_and_nowhere_else(
    engine_for: Callable[..., ServerEngine],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OUR_KEY", KEY)
    with served(in_turn(Said(b"", 503), completion([1, 2, 3, 4]))) as server:
        engine = engine_for(server, key_variable="OUR_KEY")
        engine.generate([ASKED], WARM)
        said = json.dumps(engine.describe())
    assert {heard.headers["Authorization"] for heard in server.heard} == {f"Bearer {KEY}"}
    assert KEY not in said + caplog.text + engine.settings.model_dump_json()
    assert not any(KEY in json.dumps(heard.body) for heard in server.heard)


def test_without_its_variable_a_key_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OUR_KEY", raising=False)
    with pytest.raises(ModelError, match="names OUR_KEY, which is not set"):
        ServerEngine(Server(key_variable="OUR_KEY"))


@pytest.mark.parametrize("key", ["sk-4711\nsecret", "sk-4711-\u20ac"])
def test_a_key_that_no_header_can_hold_is_refused_without_being_shown(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("OUR_KEY", key)
    with pytest.raises(ModelError, match="OUR_KEY holds a line break or") as raised:
        ServerEngine(Server(key_variable="OUR_KEY"))
    assert "4711" not in str(raised.value)


def test_no_more_than_so_many_are_under_way(engine_for: Callable[..., ServerEngine]) -> None:
    meeting = Barrier(3, timeout=10)

    def together(heard: Heard) -> Said:
        meeting.wait()
        return completion([1, 2, 3, 4])

    with served(together) as server:
        made = engine_for(server, concurrency=3).generate([ASKED] * 9, WARM)
    assert len(made) == 9
    assert server.most_together == 3


def test_one_error_ends_the_waiting_of_all(engine_for: Callable[..., ServerEngine]) -> None:
    with served(lambda heard: Said(b"[]")) as server:
        with pytest.raises(ModelError, match="no single choice"):
            engine_for(server, concurrency=2).generate([ASKED] * 200, WARM)
    assert len(server.asked("/v1/completions")) < 20


def test_prefixes_come_trace_by_trace_the_longest_first(
    engine_for: Callable[..., ServerEngine],
) -> None:
    def echo(heard: Heard) -> Said:
        return completion([len(heard.body["prompt"])], "stop")

    probe = ProbeRequest((1,), (2, 3, 4, 5), tuple(Branch(at, (6,)) for at in (2, 4, 0)), 1, ())
    with served(echo) as server:
        answers = engine_for(server, concurrency=1).probe([probe, probe])
    assert answers == [[(4,), (6,), (2,)]] * 2
    lengths = [len(heard.body["prompt"]) for heard in server.asked("/v1/completions")]
    assert lengths == [6, 4, 2, 6, 4, 2]


def test_a_prefix_is_written_when_its_turn_comes(
    engine_for: Callable[..., ServerEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All prefixes of a shard of 10,000-token traces would be gigabytes."""
    written: list[int] = []
    ahead: list[int] = []
    real = server_engine.as_request

    def counted(request: ProbeRequest, branch: Branch) -> Request:
        written.append(branch.position)
        return real(request, branch)

    def answer(heard: Heard) -> Said:
        ahead.append(len(written) - len(ahead))
        return completion([1])

    monkeypatch.setattr(server_engine, "as_request", counted)
    branches = tuple(Branch(at, (6,)) for at in range(40))
    with served(answer) as server:
        engine_for(server, concurrency=2).probe([ProbeRequest((1,), (2,) * 40, branches, 1, ())])
    assert len(written) == 40
    assert max(ahead) <= 3


def test_a_server_of_other_models_or_of_none_is_told(
    model: tuple[ModelFiles, Path], engine_for: Callable[..., ServerEngine]
) -> None:
    for said, message in (
        (models("big", "huge"), r"does not serve 'tiny' \(it serves: big, huge\)"),
        (Said({"hello": "world"}), "no list of models"),
    ):
        with (
            CompletionsServer(models=lambda heard, said=said: said) as server,
            pytest.raises(ModelError, match=message),
        ):
            engine_for(server)


def test_a_shorter_context_of_the_server_counts(engine_for: Callable[..., ServerEngine]) -> None:
    with CompletionsServer(models=lambda heard: models("tiny", longest=32)) as server:
        engine = engine_for(server)
        with pytest.raises(ModelError, match="context is 32"):
            engine.generate([Request((1,) * 30, 0, 4, ())], WARM)


def test_a_server_that_takes_no_adapters_is_told_how_it_could(
    model: tuple[ModelFiles, Path], engine_for: Callable[..., ServerEngine]
) -> None:
    files, adapter = model
    with served(lambda heard: completion([1, 2, 3, 4])) as server:
        engine = engine_for(server)
        with pytest.raises(ModelError, match="does not take it .*--enable-lora .* mitt-qwen2-0123"):
            engine.load(files, adapter)


def test_an_adapter_is_asked_for_by_its_content_and_loaded_once(
    model: tuple[ModelFiles, Path], engine_for: Callable[..., ServerEngine]
) -> None:
    files, adapter = model
    names = ["tiny"]

    def load(heard: Heard) -> Said:
        names.append(heard.body["lora_name"])
        return Said(b"Success")

    with CompletionsServer(
        models=lambda heard: models(*names),
        load_lora_adapter=load,
        completions=lambda heard: completion([1, 2, 3, 4]),
    ) as server:
        engine = engine_for(server)
        for chosen in (adapter, None, adapter):
            engine.load(files, chosen)
            engine.generate([ASKED], WARM)
    [loaded] = server.asked("/v1/load_lora_adapter")
    assert loaded.body == {"lora_name": names[1], "lora_path": str(adapter)}
    asked = [heard.body["model"] for heard in server.asked("/v1/completions")]
    assert asked == [names[1], "tiny", names[1]]


def test_weights_that_nobody_here_read_are_unverified(
    model: tuple[ModelFiles, Path], engine_for: Callable[..., ServerEngine]
) -> None:
    index = "model.safetensors.index.json"
    digests = {"config.json": "c" * 64, "model-1.safetensors": "d" * 64, index: "e" * 64}
    files = replace(model[0], files=digests)
    with served(lambda heard: completion([1])) as server:
        assert engine_for(server).materials(files) == {
            "config.json": "c" * 64,
            "model-1.safetensors": "unverified",
            index: "unverified",
        }
        nothing = replace(model[0], files={"config.json": "c" * 64})
        assert engine_for(server).materials(nothing) == {
            "config.json": "c" * 64,
            "served weights": "unverified",
        }


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://host/v1", "give an http:// or https:// address"),
        ("127.0.0.1:8000", "give an http:// or https:// address"),
        ("file:///etc/passwd", "give an http:// or https:// address"),
        ("http://127.0.0.1:99999/v1", "give an http:// or https:// address"),
        ("http://127.0.0.1:x/v1", "give an http:// or https:// address"),
        ("http://me:secret@host/v1", "an address holds no credentials"),
        ("http://host/v1?api_key=secret", "an address holds no credentials"),
    ],
)
def test_addresses_that_are_none_are_refused(url: str, message: str) -> None:
    text = f"engine: {{server: {{endpoints: {{llama: {{url: '{url}', model: m}}}}}}}}"
    with pytest.raises(StudyError, match=message) as raised:
        parse(text)
    assert "secret" not in str(raised.value)


def test_a_key_in_place_of_its_variables_name_is_not_shown() -> None:
    with pytest.raises(StudyError, match="key_variable: name the environment variable") as raised:
        parse(f"engine: {{server: {{key_variable: {KEY}}}}}")
    assert KEY not in str(raised.value)


def test_every_model_needs_an_endpoint() -> None:
    text = """
name: small
languages: {en: {name: English, level: high, wait: Wait}}
models: {a: {source: "organism:llama"}, b: {source: "organism:qwen"}}
variants: {base: {}}
engine: {name: server, server: {endpoints: {a: {model: one}, c: {model: two}}}}
"""
    with pytest.raises(StudyError, match="'c' is not under models.*no endpoint serves b"):
        parse(text)
