"""Translators: languages as each model wants them named, the same texts again, clear refusals."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mitt_assets.errors import ModelError
from resources.engines.base import ModelFiles, TraceEngine
from resources.engines.transformers_engine import TransformersEngine
from resources.translators import ChatTranslator, Seq2SeqTranslator
from tests.fakes.engine import FakeEngine
from tests.fakes.tiny_models import tiny_model
from tests.fakes.tiny_translators import chat_like, fitted, madlad_like, nllb_like

EN = ["Anna has X1 apples and buys X2 more.", "How many has she?"]
TL = ["May X1 mansanas si Anna at bumili siya ng X2.", "Ilan ang mayroon siya?"]
DE = ["Anna hat X1 Äpfel und kauft noch X2.", "Wie viele hat sie?"]
ALL = [*EN, *TL, *DE]
NLLB = ("eng_Latn", "tgl_Latn", "deu_Latn")
MADLAD = ("<2en>", "<2fil>", "<2de>")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("translators")


@pytest.fixture(scope="module", params=["nllb", "madlad"])
def taught(request: pytest.FixtureRequest, folder: Path) -> ModelFiles:
    """A model that says two sentences in two languages, by the language's token alone."""
    make, (en, tl, de) = {"nllb": (nllb_like, NLLB), "madlad": (madlad_like, MADLAD)}[request.param]
    pairs = [(en, tl, *pair) for pair in zip(EN, TL, strict=True)]
    pairs += [(en, de, *pair) for pair in zip(EN, DE, strict=True)]
    return fitted(make(folder / request.param, (en, tl, de), ALL), pairs, 120)


@pytest.fixture(scope="module")
def random_nllb(folder: Path) -> ModelFiles:
    return nllb_like(folder / "random", NLLB, ALL)


def translator(files: ModelFiles, **languages: str) -> Seq2SeqTranslator:
    return Seq2SeqTranslator(files, "cpu", beams=3, languages=languages)


def test_the_target_language_decides_what_is_said(taught: ModelFiles) -> None:
    asked = translator(taught)
    assert [one[0] for one in asked.translate(EN, "en", "tl")] == TL
    assert [one[0] for one in asked.translate(EN[::-1], "en", "de")] == DE[::-1]


def test_the_first_attempt_is_the_most_likely_and_later_ones_are_drawn_again_alike(
    taught: ModelFiles,
) -> None:
    asked = translator(taught)
    first, second = (asked.translate(EN, "en", "tl", attempt) for attempt in (0, 1))
    assert all(len(one) == 3 for one in first + second)
    assert len(set(first[0])) == 3, "beams differ"
    assert asked.translate(EN[1:], "en", "tl", 1) == second[1:], "company changes nothing"


def test_what_does_not_end_is_no_translation(random_nllb: ModelFiles) -> None:
    assert translator(random_nllb).translate(EN, "en", "tl") == [["", "", ""], ["", "", ""]]


def test_a_language_without_a_token_is_refused_and_can_be_named(taught: ModelFiles) -> None:
    with pytest.raises(ModelError, match=r"translation\.languages\.vi.*no token"):
        translator(taught).translate(EN, "en", "vi")
    with pytest.raises(ModelError, match=r"'?xx_none'? is not in its vocabulary"):
        translator(taught, tl="xx_none").translate(EN, "en", "tl")
    own = "deu_Latn" if "nllb" in taught.source else "<2de>"
    assert [one[0] for one in translator(taught, tl=own).translate(EN, "en", "tl")] == DE


def test_a_sentence_longer_than_the_model_reads_is_refused(random_nllb: ModelFiles) -> None:
    with pytest.raises(ModelError, match="reads 64 tokens"):
        translator(random_nllb).translate([" ".join(EN * 9)], "en", "tl")


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    files = tiny_model(tmp_path / "llama")
    with pytest.raises(ModelError, match="is a llama model.*set translation.method to chat"):
        translator(files).translate(EN, "en", "tl")


PROMPT = "From {source} into {target}: {text}"


@pytest.fixture(scope="module")
def chat_model(folder: Path) -> ModelFiles:
    return chat_like(folder / "chat", [*ALL, PROMPT, "EnglishTagalog", "</think>"])


class Replying(FakeEngine):
    """Replies what the test says, in the chat model's tokens, and remembers how it was asked."""

    def __init__(self, files: ModelFiles, reply: str) -> None:
        from tokenizers import Tokenizer

        self.letters = Tokenizer.from_file(str(files.folder / "tokenizer.json"))
        super().__init__(lambda request: [*self.letters.encode(reply).ids, 1])
        self.temperatures: list[float] = []

    def generate(self, requests, sampling, progress=None):  # type: ignore[no-untyped-def]
        self.temperatures.append(sampling.temperature)
        return super().generate(requests, sampling, progress)

    @property
    def asked(self) -> list[str]:
        """The prompts, as text."""
        calls = [call[1] for call in self.calls if call[0] == "generate"]
        return [self.letters.decode(list(one.tokens)) for call in calls for one in call]


def chat(engine: TraceEngine, files: ModelFiles, tokens: int = 200) -> ChatTranslator:
    names = {"en": "English", "tl": "Tagalog"}
    return ChatTranslator(engine, files, prompt=PROMPT, tokens=tokens, names=names)


def test_a_chat_model_is_asked_in_its_template_and_its_reply_is_the_text(
    chat_model: ModelFiles,
) -> None:
    engine = Replying(chat_model, TL[0])
    assert chat(engine, chat_model).translate(EN[:1], "en", "tl") == [[TL[0]]]
    assert engine.asked == [f"<user>From English into Tagalog: {EN[0]}<assistant>"]
    assert engine.calls[0] == ("load", "chat", None)


def test_a_chat_models_thought_is_no_translation(chat_model: ModelFiles) -> None:
    engine = Replying(chat_model, f"Anna has</think>{TL[1]}")
    assert chat(engine, chat_model).translate(EN[1:], "en", "tl") == [[TL[1]]]


def test_a_reply_that_is_cut_off_is_no_translation(chat_model: ModelFiles) -> None:
    engine = Replying(chat_model, TL[0])
    assert chat(engine, chat_model, tokens=9).translate(EN[:1], "en", "tl") == [[""]]


def test_later_attempts_are_drawn_from_other_seeds(chat_model: ModelFiles) -> None:
    engine = Replying(chat_model, TL[0])
    for attempt in (0, 1, 2, 1):
        chat(engine, chat_model).translate(EN[:1], "en", "tl", attempt)
    seeds = [call[1][0].seed for call in engine.calls if call[0] == "generate"]
    assert engine.temperatures[0] == 0
    assert min(engine.temperatures[1:]) > 0
    assert seeds[1] == seeds[3]
    assert len(set(seeds)) == 3


def test_a_real_engine_serves_it(chat_model: ModelFiles) -> None:
    engine = TransformersEngine("cpu")
    asked = chat(engine, chat_model, tokens=12)
    made = [asked.translate(EN, "en", "tl", attempt) for attempt in (0, 0, 1)]
    assert made[0] == made[1]
    assert all(len(one) == 1 for one in made[2])
    assert asked.describe()["engine"]["engine"] == "transformers"


def test_a_model_without_a_chat_template_is_refused(chat_model: ModelFiles, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(chat_model.folder, bare, ignore=shutil.ignore_patterns("chat_template*"))
    settings = json.loads((bare / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings.pop("chat_template", None)
    (bare / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    files = ModelFiles("bare", str(bare), None, "float32", bare)
    with pytest.raises(ModelError, match="no chat template"):
        chat(Replying(chat_model, ""), files).translate(EN, "en", "tl")
