"""Where a study takes languages, models, problems, translations and sentence vectors from."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from mitt_assets.study.part import Part, setting


class Language(Part):
    """A language problems are asked in."""

    name: str = Field(description="English name of the language")
    level: Literal["high", "mid", "low"] = Field(
        description="resource level: a label for figures; no computation reads it"
    )
    instruction: str = setting(
        "",
        "added to every question, in this language",
        assumed="after the DeepSeek-R1 README; the wording in other languages is ours",
    )
    wait: str = setting(
        ...,
        "what replaces </think> when thinking is prolonged",
        assumed="Wait in s1; the words in other languages are ours",
        min_length=1,
    )

    @field_validator("wait")
    @classmethod
    def _prolongs(cls, wait: str) -> str:
        if tag := re.search(r"</?think>", wait):
            raise ValueError(
                f"found {wait!r}; a word that prolongs a thought holds no {tag.group()}: take it"
                " out"
            )
        return wait


class Shape(Part):
    """Sizes of a model's parts, for a plan before its files are here; its own config.json wins."""

    layers: int = Field(ge=1)
    hidden: int = Field(ge=1, description="width of the residual stream")
    heads: int = Field(ge=1, description="query heads")
    key_value_heads: int = Field(ge=1)
    head_size: int = Field(ge=1)
    intermediate: int = Field(ge=1, description="width inside the feed-forward part")
    vocabulary: int = Field(ge=1, description="rows of the embedding")
    tied: bool = Field(False, description="input and output embedding are one")
    biased: bool = Field(False, description="queries, keys and values have biases, as in Qwen2")


class Model(Part):
    """A reasoning model: where its files are, and the arithmetic it runs in."""

    source: str = Field(description="organism:<checkpoint>, a local folder, or a hub id")
    revision: str | None = Field(None, description="pinned commit of a hub model")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "float32",
        description="arithmetic; auto: bfloat16 on a GPU that has it, float16 on an older one,"
        " float32 on a CPU. Numbers of different arithmetic do not compare, so name one for a study"
        " that is made on several machines",
    )
    title: str = Field("", description="name in figures; the slug if empty")
    shape: Shape | None = Field(None, description="for `mitt study validate --plan` only")


class Answer(Part):
    """What counts as an answer of this problem set."""

    type: Literal["integer"] = "integer"
    low: int = Field(0, description="smallest possible answer")
    high: int = Field(999, description="largest possible answer")

    @model_validator(mode="after")
    def _some(self) -> Answer:
        if self.low > self.high:
            raise ValueError(
                f"no answer is possible from low, {self.low}, to high, {self.high}: swap them"
            )
        return self


class Columns(Part):
    """Where a file or hub set keeps what. ``{language}`` stands for the language's code."""

    id: str | None = Field(None, description="column of ids; row numbers if empty")
    question: str = Field("question_{language}", description="column of the question text")
    answer: str | None = Field(
        "answer", description="column of the answer; null for training problems without answers"
    )
    configs: dict[str, str] = Field({}, description="language code to configuration of a hub set")
    languages: tuple[str, ...] = Field(
        (),
        description="languages the set brings, others are translated; if empty: those of configs,"
        " else all where a column's name holds {language}, else the set's own",
    )


class Split(Part):
    """Which problems of a source make up one split of the study."""

    count: int | None = Field(None, ge=1, description="how many; all if empty")
    seed: int = Field(1, description="of the draw, where the source draws problems")
    names: tuple[str, ...] = Field((), description="splits of the source that are joined")
    source: str | None = Field(None, description="another source than the set's own")
    revision: str | None = Field(None, description="pinned commit of that source")
    columns: Columns | None = Field(None, description="of that source; the set's own if empty")


class Problems(Part):
    """The problem sets: for evaluation, for choices (development) and for tuning (training)."""

    source: str = Field(
        "organism", description="organism, a .jsonl/.csv/.parquet file, or a hub id"
    )
    revision: str | None = Field(None, description="pinned commit of a hub set")
    language: str = Field("en", description="language the set is written in")
    columns: Columns = Columns()
    answer: Answer = Answer()
    duplicates: Literal["events", "question"] = setting(
        "question",
        "when two problems are the same: equal start and events (organism), or equal text",
        assumed="no source states a rule for duplicates",
    )
    evaluation: Split = Split()
    development: Split | None = None
    training: Split | None = setting(
        None, "problems to tune on", assumed="the paper's tuning questions are unknown"
    )


class Translation(Part):
    """How questions reach the languages that the set does not have.

    A language the set has is always taken from it, and a row of ``file`` stands before both.
    """

    method: Literal["parallel", "seq2seq", "chat"] = Field(
        "parallel",
        description="parallel: the set has every language; seq2seq: NLLB or MADLAD; chat: a chat"
        " model through the study's engine",
    )
    source: str | None = Field(None, description="the translating model: a folder or a hub id")
    revision: str | None = Field(None, description="pinned commit of a hub model")
    dtype: Literal["float32", "bfloat16"] = Field("float32", description="arithmetic")
    languages: dict[str, str] = Field(
        {}, description="seq2seq: the model's token of a language, where it is not the usual one"
    )
    beams: int = setting(
        4, "seq2seq: translations held at once", assumed="the paper names no translator", ge=1
    )
    prompt: str = setting(
        "Translate this mathematics problem from {source} into {target}. X1, X2 and the like stand"
        " for formulas and numbers: keep each of them exactly once, and do not solve the problem."
        " Reply with the translation only.\n\n{text}",
        "chat: what is asked; blanks {source}, {target} and {text}",
        assumed="our choice",
    )
    tokens: int = setting(2048, "chat: longest reply, tokens", assumed="our choice", ge=1)
    attempts: int = setting(
        3, "how often what loses a number or a formula is asked for", assumed="our choice", ge=1
    )
    units: Literal["symbols", "words"] = setting(
        "symbols",
        "what of a unit stays as it is: symbols (5 cm, 60 mph, 30°), or an English word behind a"
        " number too (12 miles, 45 degrees)",
        assumed="our choice: a word of a unit is a word of its language (12 Meilen), and English"
        " words in a prompt could be what draws a thought into English",
    )
    file: str | None = Field(
        None,
        description="a person's translations, .jsonl, .csv or .parquet: problem_id (or id, the"
        " set's own), language, question",
    )

    @property
    def complete(self) -> bool:
        """Whether the set itself must have every language."""
        return self.method == "parallel" and self.file is None

    @property
    def read(self) -> tuple[str, ...]:
        """The settings that the method reads; the others change nothing."""
        model = ("source", "revision", "dtype", "attempts", "units")
        kinds = {
            "parallel": (),
            "seq2seq": (*model, "languages", "beams"),
            "chat": (*model, "prompt", "tokens"),
        }
        return ("method", *kinds[self.method])

    @model_validator(mode="after")
    def _whole(self) -> Translation:
        if self.method == "parallel" and self.source is not None:
            raise ValueError("source: method parallel translates nothing; leave it out")
        if self.method != "parallel" and self.source is None:
            raise ValueError(f"source: method {self.method} needs a model; give a folder or hub id")
        try:
            asked = self.prompt.format(source="\x00", target="\x01", text="\x02")
        except (KeyError, IndexError, ValueError) as problem:
            raise ValueError(f"prompt: a blank it cannot fill: {problem}") from problem
        if not {"\x01", "\x02"} <= set(asked):
            raise ValueError("prompt: it must hold the blanks {target} and {text}")
        return self


class Encoder(Part):
    """The sentence encoder that similarity is measured with."""

    source: str = setting(
        "sentence-transformers/paraphrase-multilingual-mpnet-base-v2",
        "organism, a local folder, or a hub id",
        assumed="the paper says MPNet; its card does not list Tagalog",
    )
    revision: str | None = None
