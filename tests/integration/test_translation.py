"""A set in two languages, the third by machine: refused where it loses something, or a person's.

The translators are real ones with few weights. A random one writes garbage, which must be refused;
one fitted to the test's sentences writes what it was taught.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from checks.judge import judge
from checks.subject import Subject
from checks.verdicts import Verdict
from mitt_assets.errors import DataError, IntegrityError, StudyError
from mitt_assets.home import open_maker
from mitt_assets.lineage.statement import Record
from mitt_assets.lineage.store import write_table
from mitt_assets.materialise import Maker
from mitt_assets.method.requests import Request
from resources.engines.base import ModelFiles
from resources.services import StudyServices
from tests.conftest import MINIATURE
from tests.corruptions.catalogue import rewritten
from tests.fakes.engine import FakeEngine
from tests.fakes.tiny_translators import chat_like, fitted, madlad_like, nllb_like

QUESTIONS = [
    ("Anna walks 3 miles and then 4 more. How far is it?", "Anna geht 3 Meilen, dann 4. Und nun?"),
    ("Find $x$ with $x^2 = 9$ and $x > 0$.", "Finde $x$ mit $x^2 = 9$ und $x > 0$."),
    ("A rope of 12 m is cut into 4 parts. How long is each of them?", "12 m in 4 Teilen. Und nun?"),
]
EN = [
    "Anna walks X1 miles and then X2 more.",
    "How far is it?",
    "Find X1 with X2 and X3.",
    "A rope of X1 is cut into X2 parts.",
    "How long is each of them?",
]
TL = [
    "Naglakad si Anna ng X1 milya at saka X2 pa.",
    "Gaano kalayo ang lahat?",
    "Hanapin ang X1 kung saan X2 at X3.",
    "Ang lubid na X1 ay hinati sa X2 bahagi.",
    "Gaano kahaba ang bawat isa sa mga ito?",
]
SENTENCES = list(zip(EN, TL, strict=True))


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Says the test's sentences in both directions."""
    folder = tmp_path_factory.mktemp("taught") / "madlad"
    pairs = [("", "<2fil>", en, tl) for en, tl in SENTENCES]
    pairs += [("", "<2en>", tl, en) for en, tl in SENTENCES]
    return fitted(madlad_like(folder, ("<2en>", "<2fil>"), [*EN, *TL]), pairs, 200).folder


@pytest.fixture(scope="module")
def untaught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("untaught") / "nllb"
    return nllb_like(folder, ("eng_Latn", "tgl_Latn"), [*EN, *TL]).folder


Make = Callable[..., tuple[Maker, StudyServices]]


@pytest.fixture
def make_study(study_file: Callable[..., Path], tmp_path: Path) -> Make:
    """A study on the test's set, translated as told."""
    rows = [
        {"question_en": en, "question_de": de, "answer": 3 + i}
        for i, (en, de) in enumerate(QUESTIONS)
    ]
    problems = tmp_path / "problems.jsonl"
    problems.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")

    def make(**translation: Any) -> tuple[Maker, StudyServices]:
        study = study_file(
            problems={
                "source": str(problems),
                "columns": {"languages": ["en", "de"]},
                "answer": {"low": 0, "high": 60},
            },
            engine={"shard": 1, "device": "cpu"},
            translation={"attempts": 2, **translation},
            variants={"base": {}},
            statistics=MINIATURE["statistics"] | {"comparisons": []},  # type: ignore[operator]
        )
        maker = open_maker(str(study))
        services = StudyServices(maker.graph.study, tmp_path / "cache")
        for asset in ("problems", "translator"):
            if asset in maker.graph.steps:
                maker.make(asset, None, services, "test")
        return maker, services

    return make


def translate(made: tuple[Maker, StudyServices], language: str) -> tuple[Record, pl.DataFrame]:
    maker, services = made
    record = maker.make("translations", language, services, "test").record
    return record, maker.store.table(record)


def verdict(made: tuple[Maker, StudyServices], record: Record) -> Verdict:
    maker, services = made
    return judge(Subject(maker.graph, maker.store, record, services))


def write_person(path: Path, *rows: dict[str, Any]) -> str:
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return str(path)


def test_a_language_of_the_set_is_the_sets_and_another_is_translated(
    make_study: Make, taught: Path
) -> None:
    made = make_study(method="seq2seq", source=str(taught), beams=3)
    german = translate(made, "de")[1]
    assert set(german["method"]) == {"parallel"}
    assert german["question"].to_list() == [de for _, de in QUESTIONS]
    record, frame = translate(made, "tl")
    assert set(frame["method"]) == {"seq2seq"}
    assert frame["question"].to_list() == [
        "Naglakad si Anna ng 3 milya at saka 4 pa. Gaano kalayo ang lahat?",
        "Hanapin ang $x$ kung saan $x^2 = 9$ at $x > 0$.",
        "Ang lubid na 12 m ay hinati sa 4 bahagi. Gaano kahaba ang bawat isa sa mga ito?",
    ]
    assert frame["back_translation"].to_list() == [en for en, _ in QUESTIONS]
    assert len(record.materials["model.safetensors"]) == 64
    assert record.parameters["translator"]["model"] == str(taught)
    said = verdict(made, record)
    assert said.result == "PASSED", [one.sentence() for one in said.blocking + said.warnings]
    assert "back translations" in {one.values for one in said.outcomes}


@pytest.mark.parametrize(
    ("units", "asked"),
    [("symbols", "Anna walks X1 miles and then X2 more."), ("words", "Anna walks X1 and then X2")],
)
def test_the_study_says_what_of_a_unit_is_put_aside(
    make_study: Make, untaught: Path, monkeypatch: pytest.MonkeyPatch, units: str, asked: str
) -> None:
    made = make_study(method="seq2seq", source=str(untaught), units=units)
    seen: list[str] = []

    def echo(texts: Any, *_: Any) -> list[list[str]]:
        seen.extend(texts)
        return [[text] for text in texts]

    monkeypatch.setattr(made[1].translator(), "translate", echo)
    questions = translate(made, "tl")[1]["question"].to_list()
    assert questions == [en for en, _ in QUESTIONS]
    assert [text.startswith(asked) for text in seen].count(True) == 2, "there and back"


class Echo(FakeEngine):
    """A chat model that says what it was given; its weights are where nobody here sees them."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        self.letters = Tokenizer.from_file(str(folder / "tokenizer.json"))
        super().__init__(self._reply)

    def _reply(self, request: Request) -> list[int]:
        asked = self.letters.decode(list(request.tokens)).removesuffix("<assistant>")
        return [*self.letters.encode(asked.partition(": ")[2]).ids, *request.stop]

    def materials(self, model: ModelFiles) -> dict[str, str]:
        return {**model.files, "model.safetensors": "unverified"}


def test_a_chat_model_translates_and_what_its_engine_is_counts(
    make_study: Make, untaught: Path, tmp_path: Path
) -> None:
    prompt = "{source} to {target}: {text}"
    texts = [*(en for en, _ in QUESTIONS), prompt, "XZ0123456789EnglishTagalog"]
    model = chat_like(tmp_path / "chat", texts)
    made = make_study(method="chat", source=str(model.folder), prompt=prompt)
    made[1]._engine = engine = Echo(model.folder)
    record, frame = translate(made, "tl")
    assert set(frame["method"]) == {"chat"}
    assert frame["question"].to_list() == [en for en, _ in QUESTIONS]
    assert frame["back_translation"].to_list() == [en for en, _ in QUESTIONS]
    said = [call[1] for call in engine.calls if call[0] == "generate"]
    assert [len(one) for one in said] == [1] * 6, "there and back, a shard at a time"
    first = engine.letters.decode(list(said[0][0].tokens))
    assert first == f"<user>English to Tagalog: {EN[0]} {EN[1]}<assistant>"
    assert record.materials["model.safetensors"] == "unverified"
    assert len(record.materials["tokenizer.json"]) == 64
    assert record.parameters["translator"]["engine"]["engine"] == "fake"
    assert record.study_slice["engine.name"] == "transformers"
    other = make_study(method="seq2seq", source=str(untaught))[0]
    assert "engine.name" not in other.expected("translations", "tl").study_slice


def test_a_translation_that_says_something_else_is_seen_on_the_way_back(
    make_study: Make, taught: Path
) -> None:
    made = make_study(method="seq2seq", source=str(taught), beams=3)
    record, frame = translate(made, "tl")
    other = frame.with_columns(back_translation=pl.lit("The weather in the north is cold today."))
    said = verdict(made, rewritten(made[0].store, record, {"table.parquet": write_table(other)}))
    assert said.result == "WARNED"
    (alarm,) = said.warnings
    assert (alarm.values, alarm.count) == ("back translations", 3)


def test_what_loses_something_is_refused_by_name_and_nothing_is_written(
    make_study: Make, untaught: Path
) -> None:
    made = make_study(method="seq2seq", source=str(untaught), beams=2)
    with pytest.raises(DataError) as caught:
        translate(made, "tl")
    message = str(caught.value)
    problems = made[0].store.table(made[0].required("problems", None))
    for problem in problems["problem_id"]:
        assert f"problem {problem}: lost " in message
    assert "'$x^2 = 9$'" in message
    assert "(asked 2 times)" in message
    assert "translation.file" in message
    assert made[0].store.current("translations", "tl") is None


def test_a_persons_row_stands_before_the_machine_and_is_recorded(
    make_study: Make, taught: Path, tmp_path: Path
) -> None:
    text = "Hanapin mo ang $x$: $x^2 = 9$ at $x > 0$."
    file = write_person(tmp_path / "own.jsonl", {"id": 2, "language": "tl", "question": text})
    made = make_study(method="seq2seq", source=str(taught), beams=3, file=file)
    record, frame = translate(made, "tl")
    assert frame["method"].to_list() == ["seq2seq", "person", "seq2seq"]
    assert frame["question"][1] == text
    assert frame["back_translation"][1] is None
    assert record.parameters["rows by method"] == {"person": 1, "seq2seq": 2}
    assert len(record.materials[f"file {file}"]) == 64
    assert verdict(made, record).result == "PASSED"


def test_a_persons_file_alone_makes_a_language_and_says_what_it_lacks(
    make_study: Make, tmp_path: Path
) -> None:
    file = tmp_path / "own.jsonl"
    rows = [{"id": n, "language": "tl", "question": f"Ilan? {n}"} for n in (1, 2, 3)]
    made = make_study(method="parallel", file=write_person(file, *rows))
    assert set(translate(made, "tl")[1]["method"]) == {"person"}
    write_person(file, *rows[:2])
    with pytest.raises(DataError, match="1 questions are neither in the set nor in"):
        translate(made, "tl")


def test_a_language_that_is_none_of_the_study_is_refused_by_name(make_study: Make) -> None:
    made = make_study(method="parallel", file="none.jsonl")
    with pytest.raises(StudyError, match="translations has no partition 'xx'; name one of them"):
        translate(made, "xx")


def test_a_change_in_a_persons_file_makes_its_language_stale_and_no_other(
    make_study: Make, taught: Path, tmp_path: Path
) -> None:
    file = tmp_path / "own.jsonl"
    row = {"id": 2, "language": "tl", "question": "Hanapin: $x$, $x^2 = 9$, $x > 0$."}
    other = {"id": 1, "language": "de", "question": "Anna: 3 und 4. Wie viele?"}
    settings = {"method": "seq2seq", "source": str(taught), "beams": 3}
    made = make_study(**settings, file=write_person(file, row, other))
    for language in ("en", "de", "tl"):
        translate(made, language)

    def stale() -> list[str]:
        maker = made[0]
        return [one for one in ("en", "de", "tl") if maker.reasons("translations", one)]

    assert stale() == []
    write_person(file, {**row, "question": f"{row['question']} Ilan?"}, other)
    assert stale() == ["tl"]
    write_person(file, row)
    assert stale() == ["de"]
    write_person(file, other, row)
    assert stale() == [], "the order of rows in other languages says nothing"
    file.unlink()
    assert stale() == ["de", "tl"], "an absent file may have held anything"


BAD = [
    ({"id": 2, "language": "tl"}, "line 1: the question is None"),
    ({"id": 2, "language": "tl", "question": "\u200b"}, "line 1: the question is empty"),
    ({"id": 2, "language": "tl", "question": "a\0"}, "line 1: the question holds the control"),
    ({"id": 2, "language": "tl", "question": "\ud800"}, "line 1: the question holds half a"),
    ({"language": "tl", "question": "A"}, "line 1: it names no problem"),
    ({"id": 2, "language": "en", "question": "A"}, "line 1: the language is 'en'"),
    ({"id": 9, "language": "tl", "question": "A"}, "line 1: no problem has id '9'"),
    ({"problem_id": "x", "language": "de", "question": "A"}, "no problem has problem_id 'x'"),
]


@pytest.mark.parametrize(("row", "says"), BAD, ids=[says for _, says in BAD])
def test_a_row_that_cannot_serve_is_named(
    make_study: Make, tmp_path: Path, row: dict[str, Any], says: str
) -> None:
    file = write_person(tmp_path / "own.jsonl", row)
    with pytest.raises(DataError, match=says):
        translate(make_study(file=file), "tl")


def test_a_problem_translated_twice_is_refused(make_study: Make, tmp_path: Path) -> None:
    row = {"id": 2, "language": "tl", "question": "A"}
    file = write_person(tmp_path / "own.jsonl", row, row)
    with pytest.raises(DataError, match=r"line 2: .*line 1 already translates this problem"):
        translate(make_study(file=file), "tl")


def test_a_translator_that_changed_underneath_is_refused(make_study: Make, taught: Path) -> None:
    made = make_study(method="seq2seq", source=str(taught), beams=3)
    translate(made, "de")
    note = taught / "generation_config.json"
    kept = note.read_bytes()
    note.write_bytes(kept + b"\n")
    try:
        with pytest.raises(IntegrityError, match=r"the translator: file generation_config\.json"):
            translate(made, "tl")
    finally:
        note.write_bytes(kept)


class Failing(Exception):
    """Stands for a process that ends in the middle."""


def test_finished_shards_are_not_translated_again(
    make_study: Make, taught: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_study(method="seq2seq", source=str(taught), beams=3)
    translator = made[1].translator()
    real, asked = translator.translate, []

    def failing(texts: Any, *arguments: Any) -> Any:
        asked.append(list(texts))
        if len(asked) == 4:
            raise Failing
        return real(texts, *arguments)

    monkeypatch.setattr(translator, "translate", failing)
    with pytest.raises(Failing):
        translate(made, "tl")
    before = len(asked)
    interrupted = translate(made, "tl")[0]
    # There and back for each of three shards; the first two were done but for the last way back.
    assert (before, len(asked) - before) == (4, 4)
    monkeypatch.setattr(translator, "translate", real)
    assert translate(made, "tl")[0].content == interrupted.content
