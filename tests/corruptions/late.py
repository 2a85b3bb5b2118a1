"""Corruptions of what comes late: vectors, training, adapters, manifests, reports, the page."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from mitt_assets.lineage import canonical
from mitt_assets.method.identity import request_id
from tests.corruptions.catalogue import Corruption, Ground

Table = Callable[[pl.DataFrame, Ground], pl.DataFrame]
Files = Mapping[str, bytes]

TL = "tl|llama"
VECTORS, SIMILARITY = "base/segment_embeddings", "base/consistency"
TRAINING, ADAPTER = "mitt/training_set", "mitt/adapter"
CONFIG, WEIGHTS, LOSS = "adapter_config.json", "adapter_model.safetensors", "loss.json"


def first_trace(frame: pl.DataFrame) -> list[str]:
    return [frame["trace_id"][0]]


def put(column: str, value: Any, at: int = 0) -> Table:
    """Another value in one row."""

    def change(frame: pl.DataFrame, ground: Ground) -> pl.DataFrame:
        values = frame[column].to_list()
        values[at] = value(values[at]) if callable(value) else value
        return frame.with_columns(pl.Series(column, values, dtype=frame.schema[column]))

    return change


def without(column: str) -> Table:
    return lambda frame, ground: frame.drop(column)


def as_text(column: str) -> Table:
    return lambda frame, ground: frame.with_columns(pl.col(column).cast(pl.String))


def emptied(frame: pl.DataFrame, ground: Ground) -> pl.DataFrame:
    return frame.head(0)


def null(column: str) -> Table:
    def change(frame: pl.DataFrame, ground: Ground) -> pl.DataFrame:
        return frame.with_columns(pl.lit(None, dtype=frame.schema[column]).alias(column))

    return change


def swapped(column: str) -> Table:
    """Two rows exchange their values; the rows hold different ones."""

    def change(frame: pl.DataFrame, ground: Ground) -> pl.DataFrame:
        values = frame[column].to_list()
        other = next(i for i, one in enumerate(values) if one != values[0])
        values[0], values[other] = values[other], values[0]
        return frame.with_columns(pl.Series(column, values, dtype=frame.schema[column]))

    return change


def dropped(frame: pl.DataFrame, ground: Ground) -> pl.DataFrame:
    return frame.slice(1)


def repeated(frame: pl.DataFrame, ground: Ground) -> pl.DataFrame:
    return pl.concat([frame, frame.head(1)])


def other(asset: str, partition: str | None) -> Table:
    """What another partition holds."""
    return lambda frame, ground: ground.frame(asset, partition)


def scaled(vector: list[float]) -> list[float]:
    return [2 * one for one in vector]


def turned(vector: list[float]) -> list[float]:
    """Still a unit vector, of another direction."""
    return [*vector[1:], vector[0]]


def not_a_number(vector: list[float]) -> list[float]:
    return [math.nan, *vector[1:]]


def _vectors() -> list[Corruption]:
    make = partial(Corruption, asset=VECTORS, partition=TL)
    rows = first_trace
    return [
        make("vector with NaN", says="finite", table=put("vector", not_a_number), rows=rows),
        make("vector scaled", says="length 1", table=put("vector", scaled), rows=rows),
        make(
            "vector zeroed",
            says="length 1",
            table=put("vector", lambda v: [0.0] * len(v)),
            rows=rows,
        ),
        make("vector turned", says="same vector", table=put("vector", turned), rows=rows),
        make("vectors swapped", says="same vector", table=swapped("vector"), rows=rows),
        make(
            "vector too short",
            says="dimension",
            table=put("vector", lambda v: v[:-1]),
            rows=rows,
        ),
        make("part dropped", says="part of a thought has its row", table=dropped, rows=rows),
        make("part repeated", says="keys are unique", table=repeated),
        make("segment wrong", says="is a part of", table=put("segment", 77, 1)),
        make("unit wrong", says="is a part of", table=put("unit", "window"), rows=rows),
        make("problem of another trace", says="problem of its trace", table=swapped("problem_id")),
        make("vectors of German here", says="parent id", table=other(VECTORS, "de|llama")),
        make("vectors empty", says="not empty", table=emptied),
        make("vectors without unit", says="columns are those", table=without("unit")),
        make("segment as text", says="types declared", table=as_text("segment")),
    ]


def _similarities() -> list[Corruption]:
    make = partial(Corruption, asset=SIMILARITY, partition=TL)

    def first_problem(frame: pl.DataFrame) -> list[str]:
        return [frame["problem_id"][0]]

    return [
        make(
            "within off by 0.001",
            says="within is what the vectors give",
            table=put("within", lambda value: value + 1e-3),
            rows=first_problem,
        ),
        make(
            "to_english off by a millionth",
            says="to_english is what the vectors give",
            table=put("to_english", lambda value: value - 1e-6),
            rows=first_problem,
        ),
        make("cosine of 1.2", says="is a cosine", table=put("within", 1.2), rows=first_problem),
        make(
            "n too large",
            says="n is the number",
            table=put("n", lambda n: n + 1),
            rows=first_problem,
        ),
        make("within lost", says="within is what", table=put("within", None), rows=first_problem),
        make("within all null", says="within is what", table=null("within")),
        make("similarity row dropped", says="one row per problem", table=dropped),
        make(
            "similarities of German here",
            says="what the vectors give",
            table=other(SIMILARITY, "de|llama"),
        ),
        make(
            "similarities of english_prefix here",
            says="what the vectors give",
            table=other("english_prefix/consistency", TL),
        ),
        make("similarities empty", says="not empty", table=emptied),
    ]


def cut_row(frame: pl.DataFrame) -> int:
    """The first row that is cut."""
    return frame["whole"].to_list().index(False)


def cut_id(frame: pl.DataFrame) -> list[str]:
    return [frame["sequence_id"][cut_row(frame)]]


def whole_id(frame: pl.DataFrame) -> list[str]:
    return [frame["sequence_id"][frame["whole"].to_list().index(True)]]


def in_cut_row(column: str, value: Callable[[Mapping[str, Any], Ground], Any]) -> Table:
    """Another value in the first cut row, from that row."""

    def change(frame: pl.DataFrame, ground: Ground) -> pl.DataFrame:
        at = cut_row(frame)
        return put(column, value(frame.row(at, named=True), ground), at)(frame, ground)

    return change


def _eos(ground: Ground) -> int:
    return ground.services.tokenizer(ground.services.model_files("llama")).eos


def _trace(row: Mapping[str, Any], ground: Ground) -> list[int]:
    traces = ground.frame("mitt/training_traces", "llama")
    found = traces.filter(pl.col("trace_id") == row["trace_id"])["token_ids"][0]
    return list(found)


def with_answer(frame: pl.DataFrame, ground: Ground) -> pl.DataFrame:
    """A cut sequence of a trace that has an answer, uncut."""
    traces = ground.frame("mitt/training_traces", "llama")
    long = traces.filter(pl.col("token_ids").list.len() > pl.col("think_tokens"))["trace_id"]
    at = (~frame["whole"] & frame["trace_id"].is_in(long.to_list())).to_list().index(True)
    row = frame.row(at, named=True)
    tokens = [*row["token_ids"][: row["loss_start"]], *_trace(row, ground)]
    return put("token_ids", tokens, at)(frame, ground)


def one_token_more(row: Mapping[str, Any], ground: Ground) -> list[int]:
    kept = len(row["token_ids"]) - row["loss_start"] + 1
    return [*row["token_ids"][: row["loss_start"]], *_trace(row, ground)[:kept]]


def eos_behind(row: Mapping[str, Any], ground: Ground) -> list[int]:
    return [*row["token_ids"], _eos(ground)]


def eos_over_last(row: Mapping[str, Any], ground: Ground) -> list[int]:
    """What the released code of UPFT does."""
    return [*row["token_ids"][:-1], _eos(ground)]


def eos_lost(frame: pl.DataFrame, ground: Ground) -> pl.DataFrame:
    at = frame["whole"].to_list().index(True)
    return put("token_ids", lambda tokens: tokens[:-1], at)(frame, ground)


def evaluated(frame: pl.DataFrame, ground: Ground) -> pl.DataFrame:
    """A sequence about an evaluation problem, consistent in itself."""
    at, questions = cut_row(frame), ground.frame("translations", frame["prompt_language"][0])
    row = frame.row(at, named=True)
    questions = ground.frame("translations", row["prompt_language"])
    asked = questions.filter(pl.col("split") == "evaluation").row(0, named=True)
    tokenizer = ground.services.tokenizer(ground.services.model_files("llama"))
    prompt = tokenizer.prompt(asked["question"], "")
    kept = row["token_ids"][row["loss_start"] :]
    cut = f"first {len(kept)}"
    new = {
        "problem_id": asked["problem_id"],
        "translation_id": asked["translation_id"],
        "token_ids": [*prompt, *kept],
        "loss_start": len(prompt),
        "sequence_id": request_id(
            "training sequence", row["trace_id"], asked["translation_id"], cut
        ),
    }
    for column, value in new.items():
        frame = put(column, value, at)(frame, ground)
    return frame


def fewer_whole(frame: pl.DataFrame, ground: Ground) -> pl.DataFrame:
    at = frame["whole"].to_list().index(True)
    return frame.with_row_index("i").filter(pl.col("i") != at).drop("i")


def _training() -> list[Corruption]:
    make = partial(Corruption, asset=TRAINING, partition="llama")

    def tokens(value: Callable[[Mapping[str, Any], Ground], Any]) -> Table:
        return in_cut_row("token_ids", value)

    return [
        make("evaluation problem tuned on", says="same as an evaluation", table=evaluated),
        make("evaluation problem, split", says="training split", table=evaluated),
        make("answer in a prefix", says="behind the thought", table=with_answer),
        make("prefix too long", says="as the cut says", table=tokens(one_token_more), rows=cut_id),
        make("eos behind a cut", says="eos ends whole", table=tokens(eos_behind), rows=cut_id),
        make("eos over the last", says="eos ends whole", table=tokens(eos_over_last), rows=cut_id),
        make("eos lost", says="eos ends whole", table=eos_lost, rows=whole_id),
        make(
            "loss starts in the prompt",
            says="loss starts behind",
            table=in_cut_row("loss_start", lambda row, ground: row["loss_start"] - 1),
            rows=cut_id,
        ),
        make(
            "loss starts late",
            says="loss starts behind",
            table=in_cut_row("loss_start", lambda row, ground: row["loss_start"] + 2),
            rows=cut_id,
        ),
        make(
            "cut called whole",
            says="as the cut says",
            table=in_cut_row("whole", lambda row, ground: True),
            rows=cut_id,
        ),
        make(
            "prompt language wrong",
            says="prompt's own",
            table=in_cut_row(
                "prompt_language", lambda r, ground: "tl" if r["prompt_language"] != "tl" else "de"
            ),
            rows=cut_id,
        ),
        make(
            "trace language not the recipe's",
            says="languages of the recipe",
            table=in_cut_row("trace_language", lambda row, ground: "tl"),
            rows=cut_id,
        ),
        make(
            "prompt token changed",
            says="begins with its prompt",
            table=tokens(lambda r, ground: [r["token_ids"][0], 7, *r["token_ids"][2:]]),
            rows=cut_id,
        ),
        make("prompts exchanged", says="prompt", table=swapped("translation_id")),
        make("sequence id wrong", says="id follows", table=put("sequence_id", "0" * 20)),
        make("sequence dropped", says="as many", table=dropped),
        make("whole trace dropped", says="recipe's share", table=fewer_whole),
        make(
            "training set of own_prefix",
            says="parent id",
            table=other("own_prefix/training_set", "llama"),
        ),
        make("training set empty", says="not empty", table=emptied),
    ]


def edit(name: str, change: Callable[[Any], Any]) -> Callable[[Files, Ground], dict[str, bytes]]:
    """A JSON file changed."""

    def apply(files: Files, ground: Ground) -> dict[str, bytes]:
        return {**files, name: canonical.encode(change(json.loads(files[name])))}

    return apply


def weights(
    change: Callable[[dict[str, Any]], dict[str, Any]],
) -> Callable[[Files, Ground], dict[str, bytes]]:
    """The tensors of an adapter changed."""

    def apply(files: Files, ground: Ground) -> dict[str, bytes]:
        from safetensors.numpy import load, save

        return {**files, WEIGHTS: save(change(load(files[WEIGHTS])), {"format": "pt"})}

    return apply


def one_nan(tensors: dict[str, Any]) -> dict[str, Any]:
    name = min(tensors)
    changed = tensors[name].copy()
    changed[0, 0] = math.nan
    return {**tensors, name: changed}


def zeros(tensors: dict[str, Any]) -> dict[str, Any]:
    return {name: np.zeros_like(one) for name, one in tensors.items()}


def negated(tensors: dict[str, Any]) -> dict[str, Any]:
    """What was learned, with the opposite sign."""
    return {name: -one if "lora_B" in name else one for name, one in tensors.items()}


def narrower(tensors: dict[str, Any]) -> dict[str, Any]:
    """Half the rank, consistent in itself."""
    return {
        name: one[: len(one) // 2].copy()
        if "lora_A" in name
        else one[:, : one.shape[1] // 2].copy()
        for name, one in tensors.items()
    }


def of_another_variant(files: Files, ground: Ground) -> dict[str, bytes]:
    record = ground.record("own_prefix/adapter", "llama")
    return {name: ground.store.read(record, name) for name in record.files}


def lacks(name: str) -> Callable[[Files, Ground], dict[str, bytes]]:
    return lambda files, ground: {k: v for k, v in files.items() if k != name}


def shortened(name: str) -> Callable[[Files, Ground], dict[str, bytes]]:
    return lambda files, ground: {**files, name: files[name][: len(files[name]) // 2]}


def _adapters() -> list[Corruption]:
    make = partial(Corruption, asset=ADAPTER, partition="llama")
    base = {"base_model_name_or_path": "organism:qwen"}
    return [
        make("weight NaN", says="finite numbers", files=weights(one_nan)),
        make("weights all zero", says="not all zeros", files=weights(zeros)),
        make("weights change nothing", says="changes what the model says", files=weights(zeros)),
        make("weights of half the rank", says="rank of the recipe", files=weights(narrower)),
        make("half rank does not attach", says="attached to its base", files=weights(narrower)),
        make("no weights", says="every file is there", files=lacks(WEIGHTS)),
        make("no losses", says="every file is there", files=lacks(LOSS)),
        make("no configuration", says="every file is there", files=lacks(CONFIG)),
        make("no card", says="every file is there", files=lacks("README.md")),
        make(
            "card of another training",
            says="name base, recipe and data",
            files=lambda f, g: {**f, "README.md": f["README.md"].replace(b"sha256", b"md5")},
        ),
        make("weights cut short", says="can be read", files=shortened(WEIGHTS)),
        make("configuration cut short", says="can be read", files=shortened(CONFIG)),
        make(
            "rank in the configuration",
            says="settings",
            files=edit(CONFIG, lambda c: {**c, "r": 4}),
        ),
        make(
            "alpha in the configuration",
            says="settings",
            files=edit(CONFIG, lambda c: {**c, "lora_alpha": 64}),
        ),
        make("another base", says="name base, recipe", files=edit(CONFIG, lambda c: {**c, **base})),
        make("adapter of own_prefix", says="first batch", files=of_another_variant),
        make("weights turned round", says="lowers the loss", files=weights(negated)),
        make(
            "a loss too few",
            says="every step",
            files=edit(LOSS, lambda o: {"losses": o["losses"][:1]}),
        ),
        make(
            "a loss below zero",
            says="finite and positive",
            files=edit(LOSS, lambda o: {"losses": [o["losses"][0], -1.0]}),
        ),
    ]


def with_file(name: str, digest: str) -> Callable[[Any], Any]:
    return lambda manifest: {**manifest, "files": {**manifest["files"], name: digest}}


def _manifests() -> list[Corruption]:
    make = partial(Corruption, asset="base_model", partition="llama")
    name = "manifest.json"
    weight = "model.safetensors"
    return [
        make(
            "digest wrong",
            says="on this machine",
            files=edit(name, with_file(weight, "0" * 64)),
            rows=lambda frame: [weight],
        ),
        make("digest no sha256", says="sha256", files=edit(name, with_file(weight, "unverified"))),
        make(
            "file that is not there",
            says="on this machine",
            files=edit(name, with_file("other.json", "0" * 64)),
        ),
        make(
            "dtype wrong",
            says="what the study",
            files=edit(name, lambda m: {**m, "dtype": "bfloat16"}),
        ),
        make(
            "slug wrong", says="what the study", files=edit(name, lambda m: {**m, "slug": "qwen"})
        ),
        make(
            "vocabulary wrong",
            says="what the study",
            files=edit(name, lambda m: {**m, "vocabulary": 0}),
        ),
        make(
            "no files named",
            says="a file of weights",
            files=edit(name, lambda m: {**m, "files": {}}),
        ),
        make("manifest cut short", says="JSON object", files=shortened(name)),
        Corruption(
            "dimension wrong",
            "sentence_encoder",
            None,
            "what the study",
            files=edit(name, lambda m: {**m, "dimension": 3}),
        ),
    ]


def in_estimate(column: str, value: Any) -> Table:
    """Another value in the first row of an accuracy by tokens, which has an interval."""

    def change(frame: pl.DataFrame, ground: Ground) -> pl.DataFrame:
        wanted = (pl.col("measure") == "accuracy") & (pl.col("language") == "de")
        at = frame.with_row_index("i").filter(wanted)["i"][0]
        return put(column, value, at)(frame, ground)

    return change


def language_lost(frame: pl.DataFrame, ground: Ground) -> pl.DataFrame:
    return frame.filter(pl.col("language") != "tl")


def languages_exchanged(frame: pl.DataFrame, ground: Ground) -> pl.DataFrame:
    new = pl.col("language").replace({"de": "tl", "tl": "de"})
    return frame.with_columns(new.alias("language"))


def _reports() -> list[Corruption]:
    make = partial(Corruption, asset="reports/scaling", partition=None)
    return [
        make(
            "third digit of an estimate",
            says="estimate is what the parents",
            table=in_estimate("estimate", lambda v: v + 1e-3),
            rows=lambda frame: ["accuracy"],
        ),
        make(
            "interval above its estimate",
            says="begins at or below",
            table=in_estimate("low", lambda v: 2.0),
        ),
        make(
            "interval below its estimate",
            says="ends at or above",
            table=in_estimate("high", lambda v: -1.0),
        ),
        make(
            "interval a little wider",
            says="high is what",
            table=in_estimate("high", lambda v: v + 1e-6),
        ),
        make("accuracy of 1.4", says="above what its measure", table=in_estimate("estimate", 1.4)),
        make("estimate lost", says="estimate is what", table=in_estimate("estimate", None)),
        make(
            "problems too many",
            says="problems is what",
            table=in_estimate("problems", lambda v: v + 1),
        ),
        make("rows below zero", says="row of each problem", table=in_estimate("rows", -5)),
        make(
            "rows of one language",
            says="sum over languages",
            table=in_estimate("rows", lambda v: v + 1),
        ),
        make(
            "language lost",
            says="where its tables are",
            table=language_lost,
            rows=lambda f: ["tl|llama"],
        ),
        make("languages exchanged", says="what the parents give", table=languages_exchanged),
        make("estimate dropped", says="no more, no less", table=dropped),
        make("filter broken", says="JSON object", table=in_estimate("filter", lambda v: v[:-1])),
        make(
            "filter of another column",
            says="columns of its source",
            table=in_estimate("filter", '{"colour": "red"}'),
        ),
        make(
            "source that is not",
            says="asset that the report read",
            table=in_estimate("source", "base/guesses"),
        ),
        make("measure unknown", says="one the suite knows", table=in_estimate("measure", "luck")),
        make("estimates all null", says="estimate is what", table=null("estimate")),
        make("estimates empty", says="not empty", table=emptied),
        make("estimates without high", says="columns are those", table=without("high")),
        Corruption(
            "tokens of the wrong report",
            "reports/drift",
            None,
            "no more, no less",
            table=other("reports/tokens", None),
        ),
        Corruption(
            "similarity estimate moved",
            "reports/consistency",
            None,
            "estimate is what",
            table=put("estimate", 0.123),
        ),
        Corruption(
            "effect turned round",
            "reports/variant_effects",
            None,
            "what the parents give",
            table=put("estimate", lambda v: 0.5 if not v else -v),
        ),
    ]


def on_page(change: Callable[[str], str]) -> Callable[[Files, Ground], dict[str, bytes]]:
    def apply(files: Files, ground: Ground) -> dict[str, bytes]:
        return {**files, "report.html": change(files["report.html"].decode()).encode()}

    return apply


def before_body_ends(text: str) -> Callable[[str], str]:
    return lambda html: html.replace("</body>", f"{text}</body>")


def csv_edited(name: str) -> Callable[[Files, Ground], dict[str, bytes]]:
    """The estimate of the second line, another number."""

    def apply(files: Files, ground: Ground) -> dict[str, bytes]:
        lines = files[name].decode().split("\n")
        cells = lines[1].split(",")
        cells[7] = "0.987"
        return {**files, name: "\n".join([lines[0], ",".join(cells), *lines[2:]]).encode()}

    return apply


def _page() -> list[Corruption]:
    make = partial(Corruption, asset="reports/study", partition=None)
    report, figure = "reports/scaling.csv", "figures/accuracy-natural-tokens.csv"
    script = '<script src="https://example.org/a.js"></script>'
    image = '<img alt="" src="https://example.org/a.png">'
    style = "<style>body { background: url(https://example.org/b.png) }</style>"
    return [
        make("script from outside", says="loads nothing", files=on_page(before_body_ends(script))),
        make("picture from outside", says="loads nothing", files=on_page(before_body_ends(image))),
        make("style from outside", says="loads nothing", files=on_page(before_body_ends(style))),
        make(
            "script added",
            says="every script",
            files=on_page(before_body_ends("<script>1</script>")),
        ),
        make("page empty", says="not empty", files=on_page(lambda html: "")),
        make("page cut short", says="page is whole", files=shortened("report.html")),
        make("page lost", says="every file is there", files=lacks("report.html")),
        make(
            "number in a CSV",
            says="numbers of its report",
            files=csv_edited(report),
            rows=lambda f: ["reports/scaling"],
        ),
        make("number in a figure's CSV", says="row of a report", files=csv_edited(figure)),
        make("CSV lost", says="every file is there", files=lacks(report)),
        make("figure's CSV lost", says="every file is there", files=lacks(figure)),
        make(
            "file that does not belong",
            says="one of its figures",
            files=lambda f, g: {**f, "notes.txt": b"x"},
        ),
        make(
            "CSV files exchanged",
            says="report",
            files=lambda f, g: {
                **f,
                report: f["reports/drift.csv"],
                "reports/drift.csv": f[report],
            },
        ),
    ]


CORRUPTIONS: list[Corruption] = [
    *_vectors(),
    *_similarities(),
    *_training(),
    *_adapters(),
    *_manifests(),
    *_reports(),
    *_page(),
]
