"""Traces: every question asked as often as the study says, and each trace as forcing makes it.

What a trace says cannot be computed again without its model. All that surrounds it can: whose
question it answers, its seed, its text, and how its thought was prolonged and ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from checks.subject import Subject, Values
from checks.suites.rules import (
    WARNING,
    among,
    at_least,
    between,
    equal,
    pairs_among,
    rows,
    suite,
    unique,
)
from checks.suites.traces_context import ASKED_NEVER, Asked, asked_of, is_training, questions_of
from checks.suites.traces_tokens import CLOSED, LOOP, NOTHING, token_values
from mitt_assets.method.forcing import ANSWER_LENGTH, BUDGET, STOP
from mitt_assets.method.identity import request_id, seed_of

if TYPE_CHECKING:
    import polars as pl
    from great_expectations import ExpectationSuite
    from great_expectations.expectations.expectation import Expectation

SETTINGS = ("generation", "languages", "variants")
CODE = (
    "checks.suites.rules",
    "checks.suites.traces_context",
    "checks.suites.traces_tokens",
    "mitt_assets.method.forcing",
    "mitt_assets.method.identity",
    "mitt_assets.method.recipes",
    "resources.engines.tokenizer",
)

CUT = 0.5
"""Share of thoughts cut by the budget, above which the end of a curve rests on the cut ones."""
FEW = 10
"""Thoughts counted as not cut beside those there: of a handful, all may be cut by chance."""
DECODED = 2_000_000
"""Tokens that are decoded again (seconds); in a larger partition those of every n-th trace."""


def measure(subject: Subject) -> dict[str, Values]:
    """Each trace beside what it should be, its tokens, and each question's samples."""
    import polars as pl

    asked, traces, tokens = asked_of(subject), [], []
    every = -(-subject.frame["token_ids"].list.len().sum() // DECODED)
    # Few rows at a time: as Python lists all tokens of a large study would fill the memory.
    for place, row in enumerate(subject.frame.iter_rows(named=True, buffer_size=16)):
        traces.append(_trace(subject, asked, row))
        tokens.append(token_values(asked, row, decode=place % max(1, every) == 0))
    return {
        "questions": Values(_samples(subject), ("translation_id",)),
        "traces": Values(pl.DataFrame(traces, infer_schema_length=None), ("trace_id",)),
        "tokens": Values(pl.DataFrame(tokens, infer_schema_length=None), ("trace_id",)),
        "whole": Values(_whole(subject.frame), ("partition",)),
    }


def suites(subject: Subject) -> dict[str, ExpectationSuite]:
    """Judge ``measure``."""
    return {
        "questions": suite(
            "questions",
            rows("there are questions"),
            equal("samples due", "samples", "every question of the split has all its samples"),
        ),
        "traces": suite("traces", rows("there are traces"), *_identity()),
        "tokens": suite("tokens", rows("there are tokens"), *_tokens(), *_forcing(), *_doubtful()),
        "whole": suite(
            "whole",
            rows("traces were counted", 1, 1),
            between("share cut", 0, CUT, "most thoughts end before the budget cuts them", WARNING),
        ),
    }


def _identity() -> Iterable[Expectation]:
    yield equal("trace_id", "id due", "the id is the hash of question, model, variant and sample")
    yield equal("problem_id", "problem due", "the problem is that of the question")
    yield equal("language", "language due", "the language is the question's and the partition's")
    yield equal("model", "model due", "the model is the partition's")
    yield equal("variant", "variant due", "the variant is the asset's")
    yield equal("seed", "seed due", "the seed is drawn from question, model and sample")
    yield unique("seed", "no seed is used twice")
    yield equal("prompt_tokens", "prompt due", "the prompt has the tokens of its question")
    yield equal("prefix_tokens", "prefix due", "as many tokens are given as the variant gives")


def _tokens() -> Iterable[Expectation]:
    yield between("lowest id", 0, None, "token ids are not negative")
    yield at_least("last of vocabulary", "highest id", "token ids are in the vocabulary")
    yield equal("letters alike", "letters", "the text is what the tokens decode to")
    yield equal("letters", "letters due", "the text ends where the decoded tokens end")
    yield equal("offsets alike", "offsets", "offsets are where the tokens' texts start")
    yield equal("offsets", "tokens", "there is one offset per token")
    yield equal("given alike", "given", "a trace starts with the opening it was given")
    yield between("ends of text", 0, 0, "no end-of-text token is stored")
    yield between("closes in thought", 0, 0, "no </think> stands within the thought")


def _forcing() -> Iterable[Expectation]:
    reasons = (STOP, BUDGET, ANSWER_LENGTH)
    allowed = ((STOP, CLOSED), (STOP, NOTHING), (BUDGET, NOTHING), (ANSWER_LENGTH, CLOSED))
    yield among("finish_reason", reasons, "the reason to finish is one that forcing knows")
    yield pairs_among(
        "finish_reason", "after thought", allowed, "</think> follows where the thought ended"
    )
    yield at_least("tokens", "think_tokens", "the thought is no longer than the trace")
    yield at_least("most thought", "think_tokens", "the thought keeps within the budget")
    yield at_least("think_tokens", "least thought", "a thought cut by the budget fills it")
    yield at_least("most answer", "answer tokens", "the answer keeps within its limit")
    yield at_least("answer tokens", "least answer", "a cut answer fills its limit")
    yield at_least("most waits", "waits", "no more waits are forced than the study says")
    yield at_least("waits", "least waits", "waits are forced as often as the study says")
    yield between("least step", 0, None, "waits stand in order, within the thought, apart")
    yield equal("waits found", "waits", "each replaced end is followed by the wait word")
    yield between("least room", 1, None, "a wait is forced only where it and a token fit")


def _doubtful() -> Iterable[Expectation]:
    """What may be true of honest traces, if of few."""
    yield between("tags", 0, 0, "no other think tag or start token is written", WARNING, 0.9)
    yield between("repeating", 0, LOOP - 1, "few traces end in a loop", WARNING, 0.9)
    # Short questions that differ in a name alone may be thought about in the same words.
    yield between("copies", 0, 0, "few questions share their trace", WARNING, 0.95)


def _trace(subject: Subject, asked: Asked, row: dict[str, Any]) -> dict[str, Any]:
    question, training = row["translation_id"], is_training(subject)
    told = asked.questions[question]
    model, variant = subject.own["model"], str(subject.step.variant)
    purpose = f"{variant}/training" if training else variant
    kind, seed = "training" if training else "evaluation", subject.study.generation.seed
    return {
        "trace_id": row["trace_id"],
        "id due": request_id("trace", question, model, purpose, row["sample"]),
        "problem_id": row["problem_id"],
        "problem due": told["problem_id"],
        "language": row["language"],
        "language due": subject.own.get("language", told["language"]),
        "model": row["model"],
        "model due": model,
        "variant": row["variant"],
        "variant due": variant,
        # As text: a seed does not fit in the floats that a column with gaps becomes.
        "seed": str(row["seed"]),
        "seed due": str(seed_of("trace", seed, kind, model, question, row["sample"])),
        "prompt_tokens": row["prompt_tokens"],
        "prompt due": asked.prompt_tokens[question],
        "prefix_tokens": row["prefix_tokens"],
        "prefix due": len(asked.prefix(row)),
    }


def _samples(subject: Subject) -> pl.DataFrame:
    """The sample numbers of each question, as text, beside those due."""
    import polars as pl

    count = 1 if is_training(subject) else subject.study.generation.samples
    due = " ".join(str(sample) for sample in range(count))
    asked = questions_of(subject).select("translation_id", **{"samples due": pl.lit(due)})
    found = subject.frame.group_by("translation_id").agg(
        samples=pl.col("sample").sort().cast(pl.String).str.join(" ")
    )
    joined = asked.join(found, on="translation_id", how="full", coalesce=True)
    return joined.fill_null(ASKED_NEVER).sort("translation_id")


def _whole(frame: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    cut = int((frame["finish_reason"] == BUDGET).sum())
    shares = {"partition": "all traces", "cut": cut, "share cut": cut / (frame.height + FEW)}
    return pl.DataFrame([shares])
