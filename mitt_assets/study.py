"""The study: one validated configuration, received by everything else.

A study is a YAML file with one pydantic model behind it. Unknown keys are refused, every default is
written out by ``mitt study show``, and every value that no primary source states is marked as an
assumption in its field, so that the report can print all of them without a second list.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

PAPER = "arXiv 2505.15508"

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]*$", max_length=64)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


def setting(default: Any, text: str, *, assumed: str | None = None, **bounds: Any) -> Any:
    """A field of the study and its sentence; ``assumed`` says why no source gives the value."""
    extra: dict[str, Any] | None = {"assumed": assumed} if assumed else None
    return Field(default, description=text, json_schema_extra=extra, **bounds)


class Part(BaseModel):
    """Base of every part: unknown keys refused, values immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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
    dtype: Literal["float32", "bfloat16", "float16"] = Field("float32", description="arithmetic")
    title: str = Field("", description="name in figures; the slug if empty")
    shape: Shape | None = Field(None, description="for `mitt study validate --plan` only")


class Answer(Part):
    """What counts as an answer of this problem set."""

    type: Literal["integer"] = "integer"
    low: int = Field(0, description="smallest possible answer")
    high: int = Field(999, description="largest possible answer")


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
        model = ("source", "revision", "dtype", "attempts")
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


class Vllm(Part):
    """The engine vllm: how much it takes of which devices. None of it decides what is made."""

    memory_share: float = Field(
        0.85, gt=0, le=1, description="of the device's memory (of the machine's on a CPU)"
    )
    block_size: Literal[16, 32, 64, 128] = Field(
        32, description="tokens per cached block; the probes' stride lets every prefix be reused"
    )
    max_length: int | None = Field(
        None, ge=64, description="longest prompt and trace together; the model's own if empty"
    )
    tensor_parallel: int = Field(1, ge=1, description="devices one copy of a model is spread over")
    data_parallel: int = Field(1, ge=1, description="copies of a model, each on its own devices")
    enforce_eager: bool = Field(False, description="no compiled graphs: starts faster, runs slower")


class Endpoint(Part):
    """Where a model is served, and under which name."""

    url: str = Field("http://127.0.0.1:8000/v1", description="before /completions; no credentials")
    model: str = Field(min_length=1, description="the model's name at the server")

    @field_validator("url")
    @classmethod
    def _plain(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(
                "give an http:// or https:// address, such as http://127.0.0.1:8000/v1"
            )
        if parts.username is not None or parts.password is not None or parts.query:
            raise ValueError("an address holds no credentials: name engine.server.key_variable")
        return url.rstrip("/")


class Server(Part):
    """The engine server: completions by token ids at an OpenAI-compatible endpoint."""

    endpoints: dict[Slug, Endpoint] = Field({}, description="model slug to where it is served")
    concurrency: int = Field(64, ge=1, le=1024, description="requests under way at once")
    timeout: float = Field(1800, gt=0, description="seconds without an answer to one request")
    attempts: int = Field(9, ge=1, le=100, description="tries of one request; 9 span 3 minutes")
    key_variable: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="environment variable that holds the API key; none is sent if empty",
    )


class Engine(Part):
    """What generates: the library, the device and how requests are grouped."""

    name: Literal["transformers", "vllm", "server"] = Field(
        "transformers", description="trace engine"
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="cuda if there is one")
    shard: int = Field(120, ge=1, description="requests written together; a cut shard runs again")
    probe_method: Literal["packed", "naive"] = Field(
        "packed", description="transformers: packed checkpoints of a trace share its KV cache"
    )
    vllm: Vllm = Vllm()
    server: Server = Server()


class Generation(Part):
    """How traces are sampled."""

    temperature: float = Field(0.6, gt=0, le=2, description="DeepSeek-R1 README")
    top_p: float = Field(0.95, gt=0, le=1, description="DeepSeek-R1 README")
    samples: int = setting(
        2, "traces per problem and language", assumed="the paper's number is unknown", ge=1, le=64
    )
    budget: int = Field(10_000, ge=1, description=f"hard limit of thinking tokens ({PAPER})")
    answer_tokens: int = setting(
        32, "tokens after </think>", assumed="no source states a limit", ge=1
    )
    waits: int = setting(
        1,
        "how often the end of thinking is replaced by the wait word",
        assumed="the paper prolongs with Wait but its count is unknown (s1 uses 1 to 6)",
        ge=0,
        le=32,
    )
    seed: int = Field(1, description="of all sampling")


class Probes(Part):
    """How an answer is forced out of an unfinished thought."""

    stride: int = Field(32, ge=1, description=f"tokens between checkpoints ({PAPER})")
    opening: str = setting(
        "\n", "put before the suffix unless the trace just ended a line", assumed="after Dynasor"
    )
    suffix: str = setting(
        "</think>\n\n**Final Answer**\n\n\\boxed{",
        "forces the answer; joined as token ids",
        assumed="after Dynasor, which probes the same models; the paper's suffix is unknown",
    )
    tokens: int = setting(12, "longest forced answer", assumed="our choice, 8 to 16", ge=1, le=64)
    stop_when_stable: int | None = setting(
        None,
        "after this many equal answers in a row a trace's later checkpoints are not read but carry"
        " the last answer; all are read if empty",
        assumed="the paper reads every checkpoint; stopping is our economy",
        ge=2,
    )
    stop_at_brace: bool = Field(
        False, description="end at the first }: cheaper, but cuts an answer with braces inside"
    )


class Windows(Part):
    """How the language of a thought is read."""

    tokens: int = Field(32, ge=1, description=f"tokens per window ({PAPER})")
    segments: int = Field(20, ge=1, description=f"relative positions per trace ({PAPER})")
    rolling: int = Field(5, ge=1, description=f"segments in a rolling mean ({PAPER})")
    candidates: tuple[str, ...] = Field(
        ("en", "it", "de", "pt", "vi", "tl"), min_length=2, description="labels langid may give"
    )
    minimum_words: int = setting(
        4,
        "windows with fewer alphabetic words are undetermined",
        assumed="langid labels wordless windows English whatever they say; measured, our threshold",
        ge=0,
    )


class Encoder(Part):
    """The sentence encoder that similarity is measured with."""

    source: str = setting(
        "sentence-transformers/paraphrase-multilingual-mpnet-base-v2",
        "organism, a local folder, or a hub id",
        assumed="the paper says MPNet; its card does not list Tagalog",
    )
    revision: str | None = None


class Cut(Part):
    """What is kept of a training trace: k tokens, a share of it, or (neither) the whole."""

    tokens: int | None = Field(None, ge=1)
    share: Share | None = None

    @model_validator(mode="after")
    def _one(self) -> Cut:
        if self.tokens is not None and self.share is not None:
            raise ValueError("give tokens or share, not both")
        return self


class Adapter(Part):
    """The LoRA adapter and its training. No source states these for MITT."""

    rank: int = setting(8, "LoRA rank", assumed="LoRA values are ours", ge=1)
    alpha: int = setting(16, "LoRA alpha", assumed="LoRA values are ours", ge=1)
    targets: Literal["all-linear", "qv"] = setting(
        "all-linear", "layers adapted", assumed="LoRA values are ours"
    )
    learning_rate: float = setting(2e-4, "AdamW", assumed="LoRA values are ours", gt=0)
    warmup: Share = Field(0.03, description="share of steps (UPFT, arXiv 2503.02875)")
    steps: int = setting(60, "optimiser steps", assumed="LoRA values are ours", ge=1)
    batch: int = setting(24, "sequences per step", assumed="LoRA values are ours", ge=1)
    pass_tokens: int = Field(
        8192, ge=1, description="padded tokens in one forward pass; a step sums over its passes"
    )
    packed: bool = Field(
        False, description="sequences of a pass behind each other in one row, without padding"
    )
    seed: int = 1


class Recipe(Part):
    """Choose traces, cut, mix, pair with prompts, train: one schema for all recipes."""

    source_model: str = Field("self", description="self, or the slug of a teacher")
    source_languages: tuple[str, ...] = Field(("en",), min_length=1)
    prompt_languages: tuple[str, ...] | Literal["own"] = setting(
        ("en",),
        "languages of the prompts; own: each trace under its own language's prompt",
        assumed="the paper does not say in which language the tuning prompts are",
    )
    cut: Cut = setting(
        Cut(tokens=31), "what is kept of a trace", assumed="the caption says under 32 tokens"
    )
    whole_share: Share = setting(
        0.10,
        "share of sequences that are whole traces (the anchor)",
        assumed="10 % in UPFT; no source states it for MITT",
    )
    whole_languages: tuple[str, ...] = Field(("en",), description="languages of the anchor")
    problems: int | None = Field(None, ge=1, description="training problems used; all if empty")
    adapter: Adapter = Adapter()


class Prefix(Part):
    """A prefix given at inference instead of training."""

    language: str = Field("en", description="whose opening of the same problem and sample is given")
    tokens: int = setting(31, "length", assumed="the caption says under 32 tokens", ge=1)


class Variant(Part):
    """One way to run every model: as it is, with an adapter, or with a given opening."""

    title: str = ""
    recipe: Recipe | None = None
    inference_prefix: Prefix | None = None

    @model_validator(mode="after")
    def _one(self) -> Variant:
        if self.recipe is not None and self.inference_prefix is not None:
            raise ValueError("a variant has a recipe or an inference_prefix, not both")
        return self


class Statistics(Part):
    """Intervals: problems are resampled, comparisons are paired by problem."""

    resamples: int = Field(2000, ge=100, description="bootstrap resamples")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="of every interval")
    seed: int = 1
    comparisons: tuple[tuple[str, str], ...] = Field(
        (), description="pairs of variants (this minus that), the one that matters first"
    )
    reference: str = Field("en", description="language that gaps are measured to")


class Study(Part):
    """A whole study. ``mitt study show`` prints it with every default written out."""

    name: Slug
    title: str = ""
    languages: dict[Slug, Language] = Field(min_length=1)
    models: dict[Slug, Model] = Field(min_length=1)
    problems: Problems = Problems()
    translation: Translation = Translation()
    engine: Engine = Engine()
    generation: Generation = Generation()
    probes: Probes = Probes()
    windows: Windows = Windows()
    encoder: Encoder = Encoder()
    variants: dict[Slug, Variant] = Field(min_length=1)
    statistics: Statistics = Statistics()

    @model_validator(mode="after")
    def _names_exist(self) -> Study:
        complaints = [
            *_unknown_languages(self),
            *_unknown_models(self),
            *_unknown_variants(self),
            *_unserved_models(self),
        ]
        if complaints:
            raise ValueError("; ".join(complaints))
        return self


def _unknown_languages(study: Study) -> list[str]:
    used: dict[str, tuple[str, ...]] = {
        "problems.language": (study.problems.language,),
        "statistics.reference": (study.statistics.reference,),
        "translation.languages": tuple(study.translation.languages),
    }
    for name, variant in study.variants.items():
        place = f"variants.{name}"
        if variant.recipe:
            recipe = variant.recipe
            used[f"{place}.recipe.source_languages"] = recipe.source_languages
            used[f"{place}.recipe.whole_languages"] = recipe.whole_languages
            if recipe.prompt_languages != "own":
                used[f"{place}.recipe.prompt_languages"] = recipe.prompt_languages
        if variant.inference_prefix:
            used[f"{place}.inference_prefix.language"] = (variant.inference_prefix.language,)
    return _undeclared(used, tuple(study.languages), "languages")


def _unknown_models(study: Study) -> list[str]:
    used = {
        f"variants.{name}.recipe.source_model": (variant.recipe.source_model,)
        for name, variant in study.variants.items()
        if variant.recipe and variant.recipe.source_model != "self"
    }
    return _undeclared(used, tuple(study.models), "models")


def _unserved_models(study: Study) -> list[str]:
    served = study.engine.server.endpoints
    used = {"engine.server.endpoints": tuple(served)}
    # A chat model that translates is served like the others, under this name.
    chat = ("translator",) if study.translation.method == "chat" else ()
    missing = [slug for slug in (*study.models, *chat) if slug not in served]
    if study.engine.name != "server":
        missing = []
    return [
        *_undeclared(used, (*study.models, *chat), "models"),
        *(f"engine.server.endpoints: no endpoint serves {slug}" for slug in missing),
    ]


def _unknown_variants(study: Study) -> list[str]:
    used = {
        f"statistics.comparisons[{i}]": pair for i, pair in enumerate(study.statistics.comparisons)
    }
    complaints = _undeclared(used, tuple(study.variants), "variants")
    needs_base = [n for n, v in study.variants.items() if v.recipe or v.inference_prefix]
    if needs_base and "base" not in study.variants:
        complaints.append(f"variants: {needs_base[0]} is compared with base, which is missing")
    base = study.variants.get("base")
    if base and (base.recipe or base.inference_prefix):
        complaints.append("variants.base: base is the model as it is; give it no recipe or prefix")
    return complaints


def _undeclared(
    used: Mapping[str, tuple[str, ...]], declared: tuple[str, ...], kind: str
) -> list[str]:
    return [
        f"{place}: {name!r} is not under {kind} (declared: {', '.join(declared)})"
        for place, names in used.items()
        for name in names
        if name not in declared
    ]


def preset_path(name: str) -> Path:
    """Where the shipped study ``name`` lies."""
    return Path(__file__).parent / "studies" / f"{name}.yaml"
