"""A catalogue of bad sets, models, servers: each is refused with what, where and what to do.

Every kind goes through the command line as a user would; nothing may be left half-written.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from mitt_assets.errors import MittError
from mitt_assets.home import open_maker
from mitt_assets.materialise import Maker
from resources import tuning, weights
from resources.services import StudyServices
from tests.commandline import invoke
from tests.fakes.completions_server import Answer, CompletionsServer, Said, completion, models
from tests.fakes.hub import COMMIT, FakeHub, fake_hub, use_hub
from tests.fakes.paper_models import paper_model

VALIDATE, MAKE_PROBLEMS, MAKE_MODELS = "validate", "problems", "base_model"
"""By ``mitt study validate``, or by ``mitt run`` of an asset."""
ROWS: list[dict[str, Any]] = [
    {"id": "a", "question_en": "What is 2 + 3?", "question_tl": "Ano ang 2 + 3?", "answer": 5},
    {"id": "b", "question_en": "What is 9 - 2?", "question_tl": "Ano ang 9 - 2?", "answer": 7},
]
CONFIGS = {"id": "id", "question": "problem", "configs": {"en": "english", "tl": "tagalog"}}


@dataclass
class Ground:
    """A folder, a hub on loopback, a whole model to damage, and the study that is written."""

    folder: Path
    hub: FakeHub
    whole_model: Path

    def study(self, **changes: Any) -> dict[str, Any]:
        language = {"level": "high", "wait": "Wait"}
        return {
            "name": "bad",
            "languages": {"en": {"name": "English", **language}, "tl": {"name": "Tag", **language}},
            "models": {"one": {"source": "organism:llama"}},
            "problems": {"evaluation": {"count": 2}},
            "encoder": {"source": "organism"},
            "variants": {"base": {}},
            **changes,
        }

    def problems(self, source: Path | str, **more: Any) -> dict[str, Any]:
        return self.study(problems={"source": str(source), **more})

    def file(self, name: str, data: bytes | str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    def jsonl(self, rows: list[dict[str, Any]] | None = None, name: str = "mine.jsonl") -> str:
        text = "".join(json.dumps(row) + "\n" for row in (ROWS if rows is None else rows))
        return str(self.file(name, text))

    def row(self, **change: Any) -> dict[str, Any]:
        """The study on a file whose second row is changed."""
        source = self.jsonl([ROWS[0], {**ROWS[1], **change}])
        return self.problems(source, columns={"id": "id"})

    def configs(self, tagalog: list[dict[str, Any]]) -> dict[str, Any]:
        """The study on a set with a configuration per language."""
        english = [{"id": r["id"], "problem": r["question_en"], "answer": 5} for r in ROWS]
        self.jsonl(english, "set/english.jsonl")
        self.jsonl(tagalog, "set/tagalog.jsonl")
        names = ("english", "tagalog")
        card = [f"- {{config_name: {name}, data_files: {name}.jsonl}}" for name in names]
        self.file("set/README.md", "\n".join(["---", "configs:", *card, "---", ""]))
        return self.problems(self.folder / "set", columns=CONFIGS)

    def model(self, damage: Callable[[Path], object]) -> dict[str, Any]:
        """The study on a copy of the whole model with something done to it."""
        folder = self.folder / "model"
        shutil.copytree(self.whole_model, folder)
        damage(folder)
        return self.study(models={"one": {"source": str(folder)}})


@dataclass(frozen=True)
class Kind:
    """A kind of bad input: how it is made, what must be said of it, and by which command."""

    name: str
    make: Callable[[Ground], dict[str, Any]]
    words: tuple[str, ...]
    command: str = VALIDATE


def _config(**change: Any) -> Callable[[Path], object]:
    def rewrite(folder: Path) -> None:
        path = folder / "config.json"
        raw = {**json.loads(path.read_text(encoding="utf-8")), **change}
        path.write_text(json.dumps(raw), encoding="utf-8")

    return rewrite


def _cut(name: str | None, keep: int) -> Callable[[Path], object]:
    def cut(folder: Path) -> None:
        path = folder / (name or weights.shards(folder)[0])
        path.write_bytes(path.read_bytes()[:keep])

    return cut


def _thoughtless(folder: Path) -> None:
    for path in folder.glob("tokenizer*.json"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("think>", "musing>"), encoding="utf-8")


def _pickled(folder: Path) -> None:
    for path in folder.glob("*.safetensors*"):
        path.unlink()
    (folder / "pytorch_model.bin").write_bytes(b"pickle")


def _no_template(folder: Path) -> None:
    path = folder / "tokenizer_config.json"
    raw = json.loads(path.read_text(encoding="utf-8"))
    raw.pop("chat_template")
    path.write_text(json.dumps(raw), encoding="utf-8")


def _two_types(ground: Ground) -> dict[str, Any]:
    for number, answer in enumerate((5, [5])):
        path = ground.file(f"set/test-0000{number}-of-00002.parquet", b"")
        pl.DataFrame([{**ROWS[number], "answer": answer}]).write_parquet(path)
    return ground.problems(ground.folder / "set")


def _half_a_set(ground: Ground) -> dict[str, Any]:
    path = ground.file("set/test-00000-of-00002.parquet", b"")
    pl.DataFrame(ROWS).write_parquet(path)
    return ground.problems(ground.folder / "set")


def _cut_parquet(ground: Ground) -> dict[str, Any]:
    path = ground.folder / "mine.parquet"
    pl.DataFrame(ROWS).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    return ground.problems(path)


def _two_splits(ground: Ground) -> dict[str, Any]:
    ground.jsonl(ROWS, "set/test.jsonl")
    ground.jsonl(ROWS, "set/train.jsonl")
    return ground.problems(ground.folder / "set", evaluation={"names": ["tset"]})


def _overlap(ground: Ground) -> dict[str, Any]:
    own = ground.jsonl(ROWS[1:], "training.jsonl")
    return ground.problems(ground.jsonl(), columns={"id": "id"}, training={"source": own})


def _gated(ground: Ground) -> dict[str, Any]:
    ground.hub.gated.add("a/gated")
    return ground.problems("a/gated", revision=COMMIT)


def _other_revision(ground: Ground) -> dict[str, Any]:
    ground.hub.repositories[("dataset", "a/set")] = ground.folder
    return ground.problems("a/set", revision="e" * 40)


def _refused_models(ground: Ground) -> dict[str, Any]:
    """Three models in one study, for starting a worker takes seconds."""
    ground.hub.gated.add("a/gated")
    ground.hub.repositories[("model", "a/model")] = ground.whole_model
    ground.hub.cut[weights.shards(ground.whole_model)[0]] = 1000
    revisions = {"gated": COMMIT, "model": COMMIT, "none": None}
    models = {name: {"source": f"a/{name}", "revision": at} for name, at in revisions.items()}
    other = {"source": "a/model", "revision": "e" * 40}
    return ground.study(models={**models, "other": other})


def _parallel(answer: int) -> list[dict[str, Any]]:
    return [{"id": r["id"], "problem": r["question_tl"], "answer": answer} for r in ROWS]


KINDS = [
    Kind(
        "a column that is not there",
        lambda g: g.problems(g.jsonl(), columns={"answer": "gold"}),
        ("mine.jsonl, line 1", "'gold' is missing", "question_en", "problems.columns.answer"),
    ),
    Kind(
        "a language that is not there",
        lambda g: g.problems(
            g.jsonl([{k: v for k, v in r.items() if k != "question_tl"} for r in ROWS])
        ),
        ("line 1", "no question in tl", "'question_tl'", "take the language out"),
    ),
    Kind(
        "a configuration for too few languages",
        lambda g: g.problems("a/set", columns={**CONFIGS, "configs": {"en": "english"}}),
        ("problems.columns", "no question in tl", "translation.method"),
    ),
    Kind(
        "no such split",
        _two_splits,
        ("no split tset", "there are train, test", "problems.evaluation.names"),
    ),
    Kind(
        "no such file",
        lambda g: g.problems("gone.jsonl"),
        ("gone.jsonl", "no such file", "problems.source"),
    ),
    Kind("values of several types", _two_types, ("set", "cannot be read", "list<")),
    Kind("half a data set", _half_a_set, ("test-00001-of-00002.parquet is missing", "fetch")),
    Kind("a parquet file cut off", _cut_parquet, ("mine.parquet", "not a readable parquet")),
    Kind(
        "a broken line of JSON",
        lambda g: g.problems(g.file("mine.jsonl", '{"answer": 1}\n{"answer": \n')),
        ("mine.jsonl, line 2", "not a line of JSON", "one object per line"),
    ),
    Kind(
        "semicolons in a CSV file",
        lambda g: g.problems(g.file("m.csv", "question_en;question_tl;answer\na;b;1\n")),
        ("m.csv, line 1", "separated by semicolons", "commas"),
    ),
    Kind(
        "a CSV row with a field too many",
        lambda g: g.problems(g.file("m.csv", "question_en,question_tl,answer\na,b,c,1\n")),
        ("m.csv, line 2", "4 fields under 3 columns", "quote"),
    ),
    Kind(
        "Latin-1",
        lambda g: g.problems(
            g.file("m.csv", "question_en,answer\nd\u00e9j\u00e0?,1\n".encode("latin1"))
        ),
        ("m.csv, line 2", "not UTF-8", "0xe9", "iconv"),
    ),
    Kind(
        "UTF-16",
        lambda g: g.problems(g.file("m.csv", "question_en,answer\na,1\n".encode("utf-16"))),
        ("m.csv", "UTF-16", "iconv -f utf-16"),
    ),
    Kind("an empty file", lambda g: g.problems(g.file("m.csv", "")), ("m.csv", "empty")),
    Kind("a file of another kind", lambda g: g.problems(g.file("m.tsv", "a")), ("m.tsv", ".csv")),
    Kind(
        "an answer that is no integer",
        lambda g: g.row(answer="seven"),
        ("mine.jsonl, line 2", "'seven'", "an integer from 0 to 999"),
    ),
    Kind(
        "an answer out of bounds",
        lambda g: g.row(answer=1000),
        ("line 2", "1000", "widen problems.answer"),
    ),
    Kind("no answer", lambda g: g.row(answer=None), ("line 2", "no answer", "remove the row")),
    Kind(
        "problems to be scored without answers",
        lambda g: g.problems(g.jsonl(), columns={"answer": None}),
        ("problems.columns.answer", "evaluation problems are scored"),
    ),
    Kind("an empty question", lambda g: g.row(question_tl=" "), ("line 2", "question in tl")),
    Kind("half a letter", lambda g: g.row(question_tl="\ud800"), ("line 2", "lone surrogate")),
    Kind(
        "an id twice",
        lambda g: g.row(id="a"),
        ("line 2", "'a' is already that of", "mine.jsonl, line 1"),
    ),
    Kind(
        "a question twice",
        lambda g: g.row(question_en="WHAT is  2 + 3?"),
        ("problem b", "same as problem a", "Remove one"),
    ),
    Kind(
        "a problem in two splits",
        _overlap,
        ("problems.training", "problems.evaluation", "Remove one of the two"),
        MAKE_PROBLEMS,
    ),
    Kind(
        "more problems than there are",
        lambda g: g.problems(g.jsonl(), evaluation={"count": 9}),
        ("it has 2 problems", "asks for 9", "lower the count"),
    ),
    Kind(
        "fewer rows in one language",
        lambda g: g.configs(_parallel(5)[:1]),
        ("row b", "'tagalog' has no such row", "2 rows in 'english', 1 in 'tagalog'"),
    ),
    Kind(
        "other answers in one language",
        lambda g: g.configs(_parallel(6)),
        ("row a", "the answer is 5, but 6", "not the same problem"),
    ),
    Kind(
        "a gated set",
        _gated,
        ("problems.evaluation", "a/gated", "is gated", "huggingface.co/datasets", "hf auth login"),
        MAKE_PROBLEMS,
    ),
    Kind(
        "a set that does not exist",
        lambda g: g.problems("a/none"),
        ("a/none", "does not exist, or not for you", "check the id"),
    ),
    Kind("a set's revision", _other_revision, ("no such revision", "mitt study pin")),
    Kind(
        "a shard that was cut off",
        lambda g: g.model(_cut(None, 5000)),
        ("model one", "00001-of-00002.safetensors (5,000 of", "Remove what is cut off"),
        MAKE_MODELS,
    ),
    Kind(
        "a shard that is missing",
        lambda g: g.model(lambda folder: (folder / weights.shards(folder)[1]).unlink()),
        ("model one", "00002-of-00002.safetensors (missing)", "fetch"),
    ),
    Kind(
        "an index cut off",
        lambda g: g.model(_cut(weights.INDEX, 100)),
        (weights.INDEX, "not an index of weights", "fetch the model again"),
    ),
    Kind(
        "a configuration cut off",
        lambda g: g.model(_cut("config.json", 100)),
        ("model one", "config.json", "Give another model"),
    ),
    Kind(
        "an encoder",
        lambda g: g.model(_config(model_type="bert", architectures=["BertForMaskedLM"])),
        ("decoder-only", "BertForMaskedLM", "writes no text"),
    ),
    Kind(
        "a translator",
        lambda g: g.model(_config(model_type="t5", architectures=["T5ForConditionalGeneration"])),
        ("decoder-only", "model_type is t5"),
    ),
    Kind(
        "a model of pictures",
        lambda g: g.model(_config(model_type="vit", architectures=["ViTModel"])),
        ("decoder-only", "model_type is vit"),
    ),
    Kind(
        "a model with code of its own",
        lambda g: g.model(_config(model_type="own", auto_map={"AutoConfig": "x.Y"})),
        ("code from its repository", "never done"),
    ),
    Kind("pickled weights", lambda g: g.model(_pickled), ("pytorch_model.bin", "can run code")),
    Kind(
        "no think tokens",
        lambda g: g.model(_thoughtless),
        ("no single-token <think>/</think>", "Choose a model that thinks"),
    ),
    Kind("no chat template", lambda g: g.model(_no_template), ("chat template", "instruct")),
    Kind(
        "a tokenizer cut off",
        lambda g: g.model(_cut("tokenizer.json", 500)),
        ("tokenizer", "cannot be read", "fetch tokenizer.json"),
    ),
    Kind(
        "a tokenizer larger than the embedding",
        lambda g: g.model(_config(vocab_size=31_000)),
        ("32,000 entries", "only 31,000 rows", "belongs to the weights"),
    ),
    Kind(
        "no such model",
        lambda g: g.study(models={"one": {"source": "no/such/model"}}),
        ("models.one.source", "'no/such/model' is no folder here and no hub id"),
    ),
    Kind(
        "models that are gated, cut off on the way, not there, or at no such revision",
        _refused_models,
        (
            "models.gated.source: the model a/gated@0123",
            "is gated: accept its terms at https://huggingface.co/a/gated",
            "models.model.source: the model a/model@0123",
            "was not given by the hub (",
            "models.none.source: the model a/none does not exist, or not for you",
            "models.other.source: the model a/model@eeee",
            "there is no such revision",
        ),
        MAKE_MODELS,
    ),
]


@pytest.fixture(scope="module")
def whole_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paper_model(tmp_path_factory.mktemp("whole") / "model").folder


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    with fake_hub() as served:
        yield served


@pytest.fixture
def ground(
    tmp_path: Path, hub: FakeHub, whole_model: Path, monkeypatch: pytest.MonkeyPatch
) -> Ground:
    use_hub(monkeypatch, tmp_path / "cache", hub.address)
    for held in (hub.repositories, hub.gated, hub.cut, hub.requests):
        held.clear()
    (tmp_path / "given").mkdir()
    monkeypatch.chdir(tmp_path / "given")
    return Ground(tmp_path / "given", hub, whole_model)


def test_the_catalogue_has_each_kind_once() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS) >= 30


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_bad_input_is_refused_and_leaves_nothing(
    kind: Kind, ground: Ground, own_home: Path
) -> None:
    study = ground.file("study.yaml", yaml.safe_dump(kind.make(ground)))
    if kind.command == VALIDATE:
        said = invoke("study", "validate", str(study))
    else:
        said = invoke("run", "--study", str(study), "--select", kind.command, "--jobs", "1")
    assert said.exit_code == 1, said.output
    for word in kind.words:
        assert word in said.output, said.output
    assert "Traceback" not in said.output
    for pattern in ("refs/**/*.json", "objects/**/*", "*.part", "shards/**/*"):
        left = [path for path in own_home.rglob(pattern) if path.is_file()]
        assert not left, left


AWAY = ("dead", "busy")
"""Servers that may be back a little later: runs try them again, which takes minutes."""
SERVERS: dict[str, tuple[Answer | None, tuple[str, ...]]] = {
    "dead": (None, ("/models: no answer: ", "tried 1 times", "Start the server or mend engine.")),
    "busy": (
        lambda heard: Said({"error": {"message": "slow down"}}, 429),
        ("answers 429 (slow down)", "finished shards are kept, so run again to go on"),
    ),
    "page": (
        lambda heard: Said(b"<html>Welcome"),
        ("not JSON but '<html>Welcome'", "mend engine.server.endpoints"),
    ),
    "foreign": (
        lambda heard: completion([99_999], "stop"),
        ("token 99999 is outside the vocabulary (0 to", "another model than the study names"),
    ),
}
"""What serves a model, None for nobody, and what is said of it."""


def _made(study: Path, *partitions: tuple[str, str | None]) -> Maker:
    maker = open_maker(str(study))
    services = StudyServices(maker.graph.study, study.parent / "gateways", "cpu")
    for asset, partition in partitions:
        maker.make(asset, partition, services, "test")
    return maker


def _nothing_half_written(home: Path) -> None:
    for pattern in ("*.part", "shards/**/*"):
        assert [path for path in home.rglob(pattern) if path.is_file()] == []


def test_a_server_that_cannot_serve_is_told_and_leaves_nothing(
    ground: Ground, own_home: Path
) -> None:
    """One run for all kinds, since starting a worker takes seconds; none keeps another from its."""
    with ExitStack() as open_servers:
        urls = {}
        for name, (answer, _) in SERVERS.items():
            answers = {"completions": answer} if answer else {}
            with ExitStack() as briefly:
                server = CompletionsServer(models=lambda heard: models("tiny"), **answers)
                (open_servers if answer else briefly).enter_context(server)
            urls[name] = server.url
        endpoints = {name: {"url": url, "model": "tiny"} for name, url in urls.items()}
        given = ground.study(
            models={name: {"source": "organism:llama"} for name in SERVERS},
            generation={"samples": 1, "budget": 32, "answer_tokens": 8, "waits": 0},
            engine={"name": "server", "server": {"attempts": 1, "endpoints": endpoints}},
        )
        study = ground.file("study.yaml", yaml.safe_dump(given))
        models_made = [("base_model", name) for name in SERVERS]
        maker = _made(study, ("problems", None), ("translations", "en"), *models_made)
        chosen = ("--select", "base/traces", "--language", "en", "--jobs", "1")
        here = [part for name in SERVERS if name not in AWAY for part in ("--model", name)]
        said = invoke("run", "--study", str(study), *chosen, *here)
        told = dict.fromkeys(SERVERS, said.output)
        for name in AWAY:
            with pytest.raises(MittError) as away:
                _made(study, ("base/traces", f"en|{name}"))
            told[name] = str(away.value)
    assert said.exit_code == 1, said.output
    assert "Traceback" not in said.output
    for name, (_, words) in SERVERS.items():
        for word in words:
            assert word in told[name], told[name]
        assert maker.store.current("base/traces", f"en|{name}") is None
    _nothing_half_written(own_home)


def test_an_adapter_of_another_base_is_refused(
    ground: Ground, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tuning.tune
    monkeypatch.setattr(
        tuning, "tune", lambda model, *a, **b: real(replace(model, source="someone/else"), *a, **b)
    )
    recipe = {"cut": {"tokens": 8}, "whole_share": 0.0, "adapter": {"steps": 2, "batch": 4}}
    given = ground.study(
        problems={"evaluation": {"count": 1}, "training": {"count": 4, "seed": 91}},
        generation={"samples": 1, "budget": 32, "answer_tokens": 8, "waits": 0},
        variants={"base": {}, "mitt": {"recipe": recipe}},
        engine={"device": "cpu"},
    )
    study = ground.file("study.yaml", yaml.safe_dump(given))
    trained = [(f"mitt/{step}", "one") for step in ("training_traces", "training_set", "adapter")]
    maker = _made(
        study, ("problems", None), ("translations", "en"), ("base_model", "one"), *trained
    )
    chosen = ("--select", "mitt/traces", "--language", "en", "--jobs", "1")
    said = invoke("run", "--study", str(study), *chosen)
    assert said.exit_code == 1, said.output
    assert "Traceback" not in said.output
    for word in (
        "mitt/adapter[one] is refused by its checks: the settings and the card name base",
        "the adapter can be attached to its base (1 row not)",
        "look at it: mitt check --select mitt/adapter --model one",
    ):
        assert word in said.output, said.output
    assert maker.store.current("mitt/traces", "en|one") is None
    _nothing_half_written(own_home)
