"""From self-sampled traces to an adapter: what a recipe chooses, cuts, mixes and trains."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mitt_assets.assets.models import verified_model
from mitt_assets.assets.traces import Ask, generate
from mitt_assets.errors import ModelError
from mitt_assets.method.recipes import Questions, build_training_set, choose_problems
from mitt_assets.study import Recipe
from mitt_assets.work import Product, Work

if TYPE_CHECKING:
    from resources.engines.base import ModelFiles
    from resources.engines.tokenizer import ReasoningTokenizer

LOSS_FILE = "loss.json"


def recipe_of(work: Work) -> Recipe:
    """The recipe of this step's variant."""
    recipe = work.study.variants[str(work.variant)].recipe
    if recipe is None:
        raise ValueError(f"variant {work.variant} has no recipe")
    return recipe


def make_training_traces(work: Work) -> Product:
    """One trace per training question in the recipe's source languages, no forced wait."""
    import polars as pl

    recipe = recipe_of(work)
    asks = []
    for _, rows in sorted(work.tables("translations").items()):
        training = rows.filter(pl.col("split") == "training")
        chosen = choose_problems(training["problem_id"], recipe.problems)
        kept = training.filter(pl.col("problem_id").is_in(chosen)).sort("translation_id")
        asks += [Ask(row, 0) for row in kept.iter_rows(named=True)]
    return generate(work, asks, waits=0, purpose=f"{work.variant}/training")


def make_training_set(work: Work) -> Product:
    """Cut and mix the traces, and pair them with prompts."""
    recipe = recipe_of(work)
    model = verified_model(work)
    _same_tokens(work, recipe, model)
    tokenizer = work.services.tokenizer(model)
    traces = work.table("training_traces")
    by_language = {str(language): rows for (language,), rows in traces.group_by("language")}
    frame = build_training_set(by_language, _questions(work, tokenizer), recipe, tokenizer.eos)
    return Product(
        frame=frame,
        metadata={
            "sequences": frame.height,
            "whole traces": int(frame["whole"].sum()),
            "tokens": int(frame["token_ids"].list.len().sum()),
        },
    )


def _same_tokens(work: Work, recipe: Recipe, model: ModelFiles) -> None:
    """A teacher's traces are token ids, so it must share the student's tokenizer.

    Raises ModelError if it does not.
    """
    if recipe.source_model == "self":
        return
    teacher = work.services.model_files(recipe.source_model)
    if teacher.files.get("tokenizer.json") != model.files.get("tokenizer.json"):
        raise ModelError(
            f"variants.{work.variant}.recipe.source_model: {recipe.source_model} has another"
            f" tokenizer than {model.slug}; choose a teacher with the same tokenizer.json"
        )


def _questions(work: Work, tokenizer: ReasoningTokenizer) -> Questions:
    """The training questions as prompts, and the keys of those that must not be among them."""
    import polars as pl

    languages = work.study.languages
    translations = {
        language: rows.filter(pl.col("split") == "training")
        for language, rows in work.tables("translations").items()
    }
    problems = work.table("problems")
    training = pl.col("split") == "training"
    return Questions(
        translations=translations,
        prompts={
            row["translation_id"]: tokenizer.prompt(
                row["question"], languages[row["language"]].instruction
            )
            for rows in translations.values()
            for row in rows.iter_rows(named=True)
        },
        duplicate_keys=dict(
            problems.filter(training).select("problem_id", "duplicate_key").iter_rows()
        ),
        evaluation_keys=set(problems.filter(~training)["duplicate_key"]),
    )


def make_adapter(work: Work) -> Product:
    """Train the LoRA adapter."""
    from mitt_assets.lineage import canonical
    from resources.tuning import TrainingRow, tune

    recipe = recipe_of(work)
    model = verified_model(work)
    rows = [
        TrainingRow(tuple(row["token_ids"]), row["loss_start"])
        for row in work.table("training_set").sort("sequence_id").iter_rows(named=True)
    ]
    work.services.free_device()
    with TemporaryDirectory() as folder, work.model_time():
        result = tune(
            model,
            rows,
            recipe.adapter,
            Path(folder),
            device=work.services.device(),
            progress=lambda step, steps, loss: work.beat("training", step, steps),
        )
        files: dict[str, bytes | Path] = {
            path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())
        }
    losses = [round(loss, 6) for loss in result.losses]
    files[LOSS_FILE] = canonical.encode({"losses": losses})
    return Product(
        files=files,
        metadata={"first loss": losses[0], "last loss": losses[-1], "steps": len(losses)},
        parameters={"adapter": recipe.adapter.model_dump(mode="json")},
        seeds={"adapter": recipe.adapter.seed},
        materials=dict(model.files),
    )
