"""A training set is what its recipe builds, holds no problem that is evaluated, teaches no stop.

Sequences are judged twice: each by rules that are stated here from the method, and each beside the
row that the recipe builds again, so that a fault of the recipe's code cannot hide in both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from checks.subject import Subject, Values
from checks.suites.rules import among, between, equal, rows, suite
from mitt_assets.method.identity import request_id
from mitt_assets.method.recipes import Questions, anchor_count, build_training_set, kept_tokens
from mitt_assets.study import Recipe

if TYPE_CHECKING:
    import polars as pl
    from great_expectations import ExpectationSuite

    from resources.engines.tokenizer import ReasoningTokenizer

SETTINGS = ("variants", "languages")
CODE = (
    "checks.suites.rules",
    "mitt_assets.method.recipes",
    "mitt_assets.method.identity",
    "resources.engines.tokenizer",
)

ABSENT = "absent"
Row = Mapping[str, Any]


def measure(subject: Subject) -> dict[str, Values]:
    """Each sequence by itself and beside the recipe's, its problems, and the mixture."""
    import polars as pl

    given = _Given(subject)
    sequences = [_sequence(row, given) for row in subject.frame.iter_rows(named=True)]
    return {
        "sequences": Values(pl.DataFrame(sequences), ("sequence_id",)),
        "problems": Values(_problems(subject, given), ("problem_id",)),
        "mixture": Values(pl.DataFrame([_mixture(subject.frame, given)]), ("of",)),
        "recipe": Values(_beside(subject.frame, given.again), ("sequence_id",)),
    }


def suites(subject: Subject) -> dict[str, ExpectationSuite]:
    """What a sequence may hold, whose problems it may hold, and how kinds are mixed."""
    return {
        "sequences": suite(
            "sequences",
            rows("sequences were measured"),
            equal("sequence_id", "id again", "a sequence's id follows from trace, prompt and cut"),
            equal("problem", "problem of the trace", "a sequence has the problem of its trace"),
            equal("problem", "problem of the prompt", "a sequence has the problem of its prompt"),
            equal(
                "prompt_language", "language of the prompt", "prompt_language is its prompt's own"
            ),
            equal("trace_language", "language of the trace", "trace_language is its trace's own"),
            among(
                "languages",
                _languages(recipe_of(subject)),
                "prompts and traces are in languages of the recipe",
            ),
            equal("loss_start", "prompt tokens", "the loss starts behind the prompt"),
            between("prompt differs", 0, 0, "a sequence begins with its prompt's tokens"),
            between("trace differs", 0, 0, "behind the prompt stand the trace's first tokens"),
            between("kept", 1, None, "something is learned of every sequence"),
            equal("kept", "kept by the cut", "as many tokens are kept as the cut says"),
            between("answer tokens", 0, 0, "a prefix holds no token behind the thought"),
            equal(
                "ends", "ends of the trace", "eos ends whole traces that ended, and stands nowhere"
            ),
        ),
        "problems": suite(
            "problems",
            rows("problems were measured"),
            among("split", ["training"], "every problem is one of the training split"),
            between("evaluated", 0, 0, "no problem is the same as an evaluation problem"),
        ),
        "mixture": suite(
            "mixture",
            rows("the mixture was measured", 1, 1),
            equal("whole", "whole by the recipe", "as many whole traces as the recipe's share"),
            equal("cut", "cut by the recipe", "as many cut traces as problems and languages give"),
        ),
        "recipe": suite(
            "recipe",
            rows("sequences were compared"),
            equal("stored", "built again", "the recipe builds the same sequences again"),
        ),
    }


def recipe_of(subject: Subject) -> Recipe:
    """The recipe of this variant."""
    recipe = subject.study.variants[str(subject.step.variant)].recipe
    assert recipe is not None, subject.record.asset
    return recipe


@dataclass(frozen=True)
class _Given:
    """What a training set is made from, read from its parents."""

    subject: Subject

    @cached_property
    def recipe(self) -> Recipe:
        return recipe_of(self.subject)

    @cached_property
    def tokenizer(self) -> ReasoningTokenizer:
        services = self.subject.services
        return services.tokenizer(services.model_files(self.subject.own["model"]))

    @cached_property
    def problems(self) -> pl.DataFrame:
        return self.subject.parent_frame("problems")

    @cached_property
    def traces(self) -> pl.DataFrame:
        return self.subject.parent_frame(f"{self.subject.step.variant}/training_traces")

    @cached_property
    def trace(self) -> dict[str, Row]:
        return {row["trace_id"]: row for row in self.traces.iter_rows(named=True)}

    @cached_property
    def translations(self) -> dict[str, pl.DataFrame]:
        import polars as pl

        frames = self.subject.parent_frames("translations")
        training = pl.col("split") == "training"
        return {str(key): frame.filter(training) for key, frame in frames.items()}

    @cached_property
    def translation(self) -> dict[str, Row]:
        frames = self.subject.parent_frames("translations").values()
        return {row["translation_id"]: row for one in frames for row in one.iter_rows(named=True)}

    @cached_property
    def prompts(self) -> dict[str, list[int]]:
        return {
            one["translation_id"]: self.prompt(one["translation_id"])
            for frame in self.translations.values()
            for one in frame.iter_rows(named=True)
        }

    def prompt(self, translation_id: str) -> list[int]:
        """The prompt's tokens of any translation, also of one that should not be here."""
        one = self.translation[translation_id]
        language = self.subject.study.languages[one["language"]]
        return self.tokenizer.prompt(one["question"], language.instruction)

    @cached_property
    def again(self) -> pl.DataFrame:
        """The training set as the recipe builds it from the parents."""
        import polars as pl

        training = pl.col("split") == "training"
        keys = self.problems.select("problem_id", "duplicate_key")
        questions = Questions(
            translations=self.translations,
            prompts=self.prompts,
            duplicate_keys=dict(keys.filter(self.problems["split"] == "training").iter_rows()),
            evaluation_keys=set(self.problems.filter(~training)["duplicate_key"]),
        )
        by_language = {str(name): some for (name,), some in self.traces.group_by("language")}
        return build_training_set(by_language, questions, self.recipe, self.tokenizer.eos)


def _sequence(row: Row, given: _Given) -> dict[str, Any]:
    """One sequence in numbers and texts, each stored one beside the one it should equal."""
    trace = given.trace[row["trace_id"]]
    translation = given.translation[row["translation_id"]]
    prompt = given.prompts.get(row["translation_id"]) or given.prompt(row["translation_id"])
    tokens = list(row["token_ids"])
    kept, eos = tokens[row["loss_start"] :], given.tokenizer.eos
    source = [*trace["token_ids"], *([eos] if row["whole"] else [])]
    thought = trace["think_tokens"]
    allowed = kept_tokens(thought, given.recipe.cut)
    ended = row["whole"] and trace["finish_reason"] == "stop"
    answer = max(0, len(kept) - thought) + kept.count(given.tokenizer.think_close)
    kind = "whole" if row["whole"] else "prefix"
    return {
        "sequence_id": row["sequence_id"],
        "id again": _id(row, len(kept), given),
        "problem": row["problem_id"],
        "problem of the trace": trace["problem_id"],
        "problem of the prompt": translation["problem_id"],
        "prompt_language": row["prompt_language"],
        "language of the prompt": translation["language"],
        "trace_language": row["trace_language"],
        "language of the trace": trace["language"],
        "languages": f"{kind} {row['trace_language']}>{row['prompt_language']}",
        "loss_start": row["loss_start"],
        "prompt tokens": len(prompt),
        "prompt differs": _differing(tokens, prompt),
        "trace differs": _differing(source, kept),
        "kept": len(kept),
        "kept by the cut": len(trace["token_ids"]) + ended if row["whole"] else allowed,
        "answer tokens": 0 if row["whole"] else answer,
        # The last token tells where eos stands as long as it stands nowhere else.
        "ends": f"{kept.count(eos)} eos, last {kept[-1] if kept else ABSENT}",
        "ends of the trace": f"{int(ended)} eos, last {eos if ended else _last(kept, eos)}",
    }


def _last(kept: list[int], eos: int) -> int | str:
    """The last kept token that may end a sequence without eos."""
    others = [token for token in kept if token != eos]
    return others[-1] if others else ABSENT


def _differing(whole: list[int], part: list[int]) -> int:
    """Tokens of ``part`` that do not stand at their place in ``whole``."""
    matched = sum(left == right for left, right in zip(whole, part, strict=False))
    return len(part) - matched


def _id(row: Row, kept: int, given: _Given) -> str:
    """The id a sequence of this trace, prompt and cut has; of whole ones any copy's."""
    place = ("training sequence", row["trace_id"], row["translation_id"])
    if not row["whole"]:
        return request_id(*place, f"first {kept}")
    copies = range(given.subject.frame.height)
    made = (request_id(*place, f"whole {copy}") for copy in copies)
    return next((one for one in made if one == row["sequence_id"]), ABSENT)


def _problems(subject: Subject, given: _Given) -> pl.DataFrame:
    """Per problem of the set, its split and how many problems outside training are the same."""
    import polars as pl

    here = subject.frame.select("problem_id").unique().sort("problem_id")
    outside = given.problems.filter(pl.col("split") != "training")
    same = outside.group_by("duplicate_key").agg(pl.len().cast(pl.Int64).alias("evaluated"))
    joined = here.join(given.problems, on="problem_id", how="left", maintain_order="left")
    return joined.join(same, on="duplicate_key", how="left", maintain_order="left").select(
        "problem_id", pl.col("split").fill_null(ABSENT), pl.col("evaluated").fill_null(0)
    )


def _mixture(frame: pl.DataFrame, given: _Given) -> dict[str, int | str]:
    """Whole and cut sequences, and how many the recipe asks for."""
    recipe = given.recipe
    uncut = recipe.cut.tokens is None and recipe.cut.share is None
    thoughts = given.traces.filter(
        given.traces["language"].is_in(recipe.source_languages),
        given.traces["sample"] == 0,
        given.traces["think_tokens"] > 0,
        given.traces["problem_id"].is_in(given.again["problem_id"].unique().implode()),
    ).height
    own = recipe.prompt_languages == "own"
    prefixes = thoughts * (1 if own else len(recipe.prompt_languages))
    anchor = 0 if uncut else anchor_count(prefixes, recipe.whole_share)
    whole = int(frame["whole"].sum())
    return {
        "of": "mixture",
        "whole": whole,
        "whole by the recipe": prefixes if uncut else anchor,
        "cut": frame.height - whole,
        "cut by the recipe": 0 if uncut else prefixes,
    }


def _languages(recipe: Recipe) -> set[str]:
    """Kinds and languages (trace > prompt) that a sequence may have."""
    uncut = recipe.cut.tokens is None and recipe.cut.share is None
    kind = "whole" if uncut else "prefix"
    pairs = {
        f"{kind} {source}>{prompt}"
        for source in recipe.source_languages
        for prompt in ((source,) if recipe.prompt_languages == "own" else recipe.prompt_languages)
    }
    return pairs | {f"whole {one}>{one}" for one in recipe.whole_languages if not uncut}


def _beside(frame: pl.DataFrame, again: pl.DataFrame) -> pl.DataFrame:
    """The digest of every stored row beside that of the row built again."""
    import polars as pl

    stored, built = _digests(frame), _digests(again)
    ids = sorted({*stored, *built})
    return pl.DataFrame(
        {
            "sequence_id": ids,
            "stored": [stored.get(one, ABSENT) for one in ids],
            "built again": [built.get(one, ABSENT) for one in ids],
        }
    )


def _digests(frame: pl.DataFrame) -> dict[str, str]:
    names = sorted(frame.columns)
    return {
        row["sequence_id"]: hashlib.sha256(repr([row[n] for n in names]).encode()).hexdigest()
        for row in frame.iter_rows(named=True)
    }
