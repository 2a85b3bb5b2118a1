"""From self-sampled traces to an adapter: what a recipe chooses, cuts, mixes and trains."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mitt_assets.assets.models import verified_model
from mitt_assets.assets.traces import Ask, generate
from mitt_assets.method.recipes import build_training_set, training_questions
from mitt_assets.study import Recipe
from mitt_assets.work import Product, Work

if TYPE_CHECKING:
    import polars as pl

LOSS_FILE = "loss.json"


def recipe_of(work: Work) -> Recipe:
    """The recipe of this step's variant."""
    recipe = work.study.variants[str(work.variant)].recipe
    if recipe is None:
        raise ValueError(f"variant {work.variant} has no recipe")
    return recipe


def make_training_traces(work: Work) -> Product:
    """One trace per training question in the recipe's source languages, no forced wait."""
    recipe = recipe_of(work)
    chosen = training_questions(_translations(work), recipe)
    asks = [Ask(row, 0) for row in chosen.iter_rows(named=True)]
    return generate(work, asks, waits=0, purpose=f"{work.variant}/training")


def make_training_set(work: Work) -> Product:
    """Cut and mix the traces, and pair them with prompts."""
    recipe = recipe_of(work)
    model = verified_model(work)
    tokenizer = work.services.tokenizer(model)
    translations = _translations(work)
    languages = work.study.languages
    prompts = {
        row["translation_id"]: tuple(
            tokenizer.prompt(row["question"], languages[row["language"]].instruction)
        )
        for rows in translations.values()
        for row in rows.filter(rows["split"] == "training").iter_rows(named=True)
    }
    frame = build_training_set(
        work.table("training_traces"),
        translations,
        prompts,
        recipe,
        eos=tokenizer.eos,
        problems=work.table("problems"),
    )
    return Product(
        frame=frame,
        metadata={
            "sequences": frame.height,
            "whole traces": int(frame["whole"].sum()),
            "tokens": int(frame["token_ids"].list.len().sum()),
        },
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
    with TemporaryDirectory() as folder:
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


def _translations(work: Work) -> dict[str, pl.DataFrame]:
    return work.tables("translations")
