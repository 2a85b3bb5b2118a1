"""What a traces partition was asked: its questions, their prompts, openings and wait words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from checks.subject import Subject
from mitt_assets.assets.models import MANIFEST
from mitt_assets.errors import IntegrityError
from mitt_assets.lineage.statement import label
from mitt_assets.method.recipes import choose_problems

if TYPE_CHECKING:
    import polars as pl

    from resources.engines.tokenizer import ReasoningTokenizer

ASKED_NEVER = "none"
Ids = tuple[int, ...]


@dataclass(frozen=True)
class Asked:
    """What forcing was given; ``openings`` are by problem and sample, None if none are given."""

    tokenizer: ReasoningTokenizer
    vocabulary: int
    questions: Mapping[str, Mapping[str, Any]]
    prompt_tokens: Mapping[str, int]
    wait_words: Mapping[str, Ids]
    openings: Mapping[tuple[str, int], Ids] | None
    copies: Mapping[str, int]
    budget: int
    answer_tokens: int
    waits: int

    def prefix(self, row: Mapping[str, Any]) -> Ids:
        """The tokens a trace was to be given; none where the parent has no opening for it."""
        openings = self.openings or {}
        return openings.get((row["problem_id"], row["sample"]), ())


def asked_of(subject: Subject) -> Asked:
    """Read the parents. Raises IntegrityError if the tokenizer is not the one that was used."""
    import polars as pl

    tokenizer, generation = tokenizer_of(subject), subject.study.generation
    languages = subject.study.languages
    frame = pl.concat(subject.parent_frames("translations").values())
    questions = {row["translation_id"]: row for row in frame.iter_rows(named=True)}
    used = set(subject.frame["translation_id"])
    return Asked(
        tokenizer=tokenizer,
        vocabulary=tokenizer.vocabulary_size,
        questions=questions,
        prompt_tokens={
            key: len(tokenizer.prompt(row["question"], languages[row["language"]].instruction))
            for key, row in questions.items()
            if key in used
        },
        wait_words={
            code: tuple(tokenizer.encode(languages[code].wait))
            for code in frame["language"].unique()
        },
        openings=_openings(subject),
        copies=_copies(subject.frame),
        budget=generation.budget,
        answer_tokens=generation.answer_tokens,
        waits=0 if is_training(subject) else generation.waits,
    )


def is_training(subject: Subject) -> bool:
    """Whether the partition holds training traces."""
    return subject.record.asset.endswith("/training_traces")


def questions_of(subject: Subject) -> pl.DataFrame:
    """The rows of translations that had to be asked, of all the languages asked."""
    import polars as pl

    frame = pl.concat(subject.parent_frames("translations").values())
    if not is_training(subject):
        return frame.filter(pl.col("split") == "evaluation")
    training = frame.filter(pl.col("split") == "training")
    recipe = subject.study.variants[str(subject.step.variant)].recipe
    chosen = choose_problems(training["problem_id"], recipe.problems if recipe else None)
    return training.filter(pl.col("problem_id").is_in(chosen))


def tokenizer_of(subject: Subject) -> ReasoningTokenizer:
    """The tokenizer of the model in the partition's manifest.

    Raises IntegrityError if its file has changed since: nothing could be decoded rightly.
    """
    record = subject.parent("base_model")
    manifest = json.loads(subject.store.read(record, MANIFEST))
    model = subject.services.model_files(str(manifest["slug"]))
    recorded = manifest["files"].get("tokenizer.json")
    if recorded != model.files.get("tokenizer.json"):
        raise IntegrityError(
            f"{label(subject.record.asset, subject.record.partition)} was made with another"
            f" tokenizer.json of model {model.slug} than the one on this machine, so it cannot be"
            f" judged here. Put the file back."
        )
    return subject.services.tokenizer(model)


def _openings(subject: Subject) -> dict[tuple[str, int], Ids] | None:
    given = subject.study.variants[str(subject.step.variant)].inference_prefix
    if given is None or is_training(subject):
        return None
    columns = ("problem_id", "sample", "token_ids", "think_tokens")
    rows = subject.parent_frame("base/traces").select(columns).iter_rows()
    return {
        (problem, sample): tuple(tokens[: min(given.tokens, thought)])
        for problem, sample, tokens, thought in rows
    }


def _copies(frame: pl.DataFrame) -> dict[str, int]:
    """Per trace, the other questions that have a trace of the very same text."""
    import polars as pl

    same = frame.group_by("text").agg(questions=pl.col("translation_id").n_unique())
    joined = frame.select("trace_id", "text").join(same, on="text", how="left")
    return dict(joined.select("trace_id", pl.col("questions") - 1).iter_rows())
