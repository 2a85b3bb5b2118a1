"""Corruptions of traces and training traces."""

from __future__ import annotations

from functools import partial

import polars as pl

from resources.engines.tokenizer import ReasoningTokenizer
from tests.corruptions.catalogue import Corruption, Ground
from tests.corruptions.edits import (
    Edit,
    chain,
    copied,
    dropped,
    emptied,
    every,
    foreign,
    ids,
    literally,
    repeated,
    setting,
    swapped,
    typed,
    without,
)

CONTENT = ("token_ids", "text", "offsets", "think_tokens", "think_ends", "finish_reason")


def _tokenizer(ground: Ground) -> ReasoningTokenizer:
    return ground.services.tokenizer(ground.services.model_files("llama"))


def _decoded(change: str, first: int = 0) -> Edit:
    """The tokens of one trace changed, its text and offsets with them."""

    def edit(frame: pl.DataFrame, ground: Ground) -> pl.DataFrame:
        tokenizer = _tokenizer(ground)
        at = _finished(frame) if change == "no close" else first
        tokens, thought = frame["token_ids"][at].to_list(), frame["think_tokens"][at]
        special = {"eos": tokenizer.eos, "close": tokenizer.think_close}
        match change:
            case "loop":
                tokens[thought - 80 : thought] = [5, 6] * 40
                tokens = tokens[:thought] + [5, 6] * 40
            case "long answer":
                tokens += [7] * 20
            case "cut answer":
                tokens = tokens[: thought + 1]
            case "no close":
                tokens[thought] = 7
            case "other opening":
                tokens[0] += 1
            case "other wait":
                tokens[frame["think_ends"][at][0]] += 1
            case "tag":
                tokens[3] = tokenizer.think_open
            case _:
                tokens[3] = special[change]
        text, offsets = tokenizer.decode_with_offsets(tokens)
        edits = chain(
            setting("token_ids", lambda _: tokens, at),
            setting("text", text, at),
            setting("offsets", lambda _: offsets, at),
        )
        return edits(frame, ground)

    return edit


def _finished(frame: pl.DataFrame) -> int:
    """The first trace that ended by itself: only it has an answer and all its waits."""
    return frame["finish_reason"].to_list().index("stop")


def _unforced() -> Edit:
    """The thought of one trace as it was before the wait."""

    def edit(frame: pl.DataFrame, ground: Ground) -> pl.DataFrame:
        return setting("think_ends", lambda _: [], _finished(frame))(frame, ground)

    return edit


def _cut_words(frame: pl.DataFrame, ground: Ground) -> pl.DataFrame:
    """Every trace cut in the middle of its thought, consistently, and called cut by the budget."""
    tokenizer = _tokenizer(ground)
    kept = [tokens[:40].to_list() for tokens in frame["token_ids"]]
    decoded = [tokenizer.decode_with_offsets(tokens) for tokens in kept]
    return frame.with_columns(
        pl.Series("token_ids", kept, dtype=frame["token_ids"].dtype),
        pl.Series("text", [text for text, _ in decoded]),
        pl.Series("offsets", [places for _, places in decoded], dtype=frame["offsets"].dtype),
        think_tokens=pl.lit(40, dtype=pl.Int64),
        finish_reason=pl.lit("budget"),
        think_ends=pl.lit([], dtype=frame["think_ends"].dtype),
    )


_trace = partial(Corruption, asset="base/traces", partition="de|llama")
_one = ids("trace_id")
TRACES = [
    _trace("a trace lost", says="has all its samples", table=dropped(), rows=ids("translation_id")),
    _trace("a trace twice", says="keys are unique", table=repeated(), rows=_one),
    _trace(
        "a trace twice under another id",
        says="has all its samples",
        table=chain(repeated(), setting("trace_id", "0" * 20)),
        rows=ids("translation_id"),
    ),
    _trace(
        "another sample",
        says="has all its samples",
        table=setting("sample", 7),
        rows=ids("translation_id"),
    ),
    _trace(
        "samples swapped",
        says="the id is the hash",
        table=swapped("sample"),
        rows=ids("trace_id", 0, 1),
    ),
    _trace(
        "texts swapped",
        says="what the tokens decode to",
        table=swapped("text"),
        rows=ids("trace_id", 0, 1),
    ),
    _trace(
        "a text cut",
        says="the text ends where",
        table=setting("text", lambda text: text[:-5]),
        rows=_one,
    ),
    _trace(
        "a letter changed",
        says="what the tokens decode to",
        table=setting("text", lambda text: f"#{text[1:]}"),
        rows=_one,
    ),
    _trace(
        "a token cut",
        says="one offset per token",
        table=setting("token_ids", lambda ids: ids[:-1]),
        rows=_one,
    ),
    _trace(
        "tokens swapped",
        says="what the tokens decode to",
        table=setting("token_ids", lambda ids: [ids[1], ids[0], *ids[2:]]),
        rows=_one,
    ),
    _trace(
        "an offset shifted",
        says="offsets are where",
        table=setting("offsets", lambda at: [at[0], at[1] + 1, *at[2:]]),
        rows=_one,
    ),
    _trace(
        "another seed",
        says="the seed is drawn",
        table=setting("seed", lambda seed: seed + 1),
        rows=_one,
    ),
    _trace(
        "a seed used twice",
        says="no seed is used twice",
        table=copied("seed", source=0, at=1),
        rows=ids("trace_id", 0, 1),
    ),
    _trace(
        "another language",
        says="the language is the question's",
        table=setting("language", "en"),
        rows=_one,
    ),
    _trace(
        "another model", says="the model is the partition's", table=every(model="qwen"), rows=_one
    ),
    _trace(
        "another variant",
        says="the variant is the asset's",
        table=setting("variant", "mitt"),
        rows=_one,
    ),
    _trace(
        "another problem",
        says="the problem is that",
        table=swapped("problem_id", at=(0, 5)),
        rows=ids("trace_id", 0, 5),
    ),
    _trace(
        "questions swapped",
        says="the id is the hash",
        table=swapped("translation_id", at=(0, 5)),
        rows=ids("trace_id", 0, 5),
    ),
    _trace(
        "another prompt's length",
        says="the prompt has",
        table=setting("prompt_tokens", lambda n: n + 1),
        rows=_one,
    ),
    _trace("an end of text inside", says="no end-of-text", table=_decoded("eos"), rows=_one),
    _trace(
        "an end of thought inside",
        says="no </think> stands within",
        table=_decoded("close"),
        rows=_one,
    ),
    _trace(
        "thoughts that begin again",
        says="no other think tag",
        table=_decoded("tag"),
        rows=_one,
        warning=True,
    ),
    _trace(
        "a token not in the vocabulary",
        says="are in the vocabulary",
        table=setting("token_ids", lambda ids: [*ids[:-1], 999_999]),
        rows=_one,
    ),
    _trace(
        "a negative token",
        says="are not negative",
        table=setting("token_ids", lambda ids: [*ids[:-1], -1]),
        rows=_one,
    ),
    _trace(
        "a reason unknown",
        says="reason to finish is one",
        table=setting("finish_reason", "length"),
        rows=_one,
    ),
    _trace(
        "a stop called budget",
        says="cut by the budget fills it",
        table=every(finish_reason="budget"),
    ),
    _trace(
        "a stop called a cut answer",
        says="a cut answer fills",
        table=setting("finish_reason", "answer_length"),
        rows=_one,
    ),
    _trace(
        "an answer too long",
        says="the answer keeps within",
        table=_decoded("long answer"),
        rows=_one,
    ),
    _trace("no end of thought", says="</think> follows", table=_decoded("no close")),
    _trace(
        "a thought one shorter",
        says="</think> follows",
        table=setting("think_tokens", lambda n: n - 1),
        rows=_one,
    ),
    _trace(
        "a thought longer than its trace",
        says="no longer than the trace",
        table=setting("think_tokens", 9_999),
        rows=_one,
    ),
    _trace("every thought cut", says="cut by the budget fills it", table=_cut_words, rows=_one),
    _trace("no wait recorded", says="as often as the study says", table=_unforced()),
    _trace(
        "a wait recorded elsewhere",
        says="followed by the wait word",
        table=setting("think_ends", lambda at: [one + 1 for one in at]),
        rows=_one,
    ),
    _trace(
        "a wait too many",
        says="no more waits",
        table=setting("think_ends", lambda at: [2, *at]),
        rows=_one,
    ),
    _trace(
        "waits out of order",
        says="waits stand in order",
        table=setting("think_ends", lambda at: [*at, 1]),
        rows=_one,
    ),
    _trace(
        "another wait word",
        says="followed by the wait word",
        table=_decoded("other wait"),
        rows=_one,
    ),
    _trace(
        "tokens said to be given",
        says="as many tokens are given",
        table=setting("prefix_tokens", 3),
        rows=_one,
    ),
    _trace(
        "a trace in a loop",
        says="few traces end in a loop",
        table=_decoded("loop"),
        rows=_one,
        warning=True,
    ),
    _trace(
        "one trace for two questions",
        says="few questions share their trace",
        table=copied(*CONTENT, source=0, at=5),
        rows=ids("trace_id", 0, 5),
        warning=True,
    ),
    _trace(
        "another language's partition",
        says="every parent id",
        table=foreign("base/traces", "en|llama"),
    ),
    _trace("no traces", says="the table is not empty", table=emptied()),
    _trace(
        "tokens missing", says="no value is missing", table=setting("token_ids", None), rows=_one
    ),
    _trace(
        "a column missing",
        says="columns are those declared",
        table=without("offsets"),
        rows=literally("offsets"),
    ),
    _trace(
        "wide tokens",
        says="columns are those declared",
        table=typed("token_ids", pl.List(pl.Int64())),
        rows=literally("token_ids"),
    ),
    _trace(
        "a question unknown",
        says="every parent id",
        table=setting("translation_id", "0" * 20),
        rows=_one,
    ),
    Corruption(
        "the base's traces as a variant's",
        "own_prefix/traces",
        "de|llama",
        "the variant is",
        table=foreign("base/traces", "de|llama"),
    ),
    Corruption(
        "another opening",
        "english_prefix/traces",
        "de|llama",
        "starts with the opening",
        table=_decoded("other opening"),
        rows=_one,
    ),
    Corruption(
        "no opening given",
        "english_prefix/traces",
        "de|llama",
        "as many tokens are given",
        table=every(prefix_tokens=0),
        rows=_one,
    ),
]

_training = partial(Corruption, asset="mitt/training_traces", partition="llama")
TRAINING_TRACES = [
    _training(
        "a training trace lost",
        says="has all its samples",
        table=dropped(),
        rows=ids("translation_id"),
    ),
    _training(
        "a second sample",
        says="has all its samples",
        table=setting("sample", 1),
        rows=ids("translation_id"),
    ),
    _training(
        "a wait forced", says="no more waits", table=setting("think_ends", lambda _: [2]), rows=_one
    ),
    _training(
        "a seed of evaluation", says="the seed is drawn", table=setting("seed", 1), rows=_one
    ),
    _training(
        "evaluated questions", says="every parent id", table=foreign("base/traces", "de|llama")
    ),
    _training(
        "evaluation traces", says="has all its samples", table=foreign("base/traces", "en|llama")
    ),
]
