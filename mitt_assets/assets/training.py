"""From self-sampled traces to an adapter: what a recipe chooses, cuts, mixes and trains."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mitt_assets.assets.measured import Measured
from mitt_assets.assets.models import verified_model
from mitt_assets.assets.traces import Ask, generate
from mitt_assets.errors import ModelError
from mitt_assets.method.model_card import CardFacts, adapter_card
from mitt_assets.method.recipes import Questions, build_training_set, choose_problems
from mitt_assets.study import Recipe, Study
from mitt_assets.work import Markdown, Product, Work
from resources.files import told, write_atomic

if TYPE_CHECKING:
    import polars as pl

    from resources.engines.base import ModelFiles
    from resources.engines.tokenizer import ReasoningTokenizer
    from resources.tuning import MemoryPlan, TrainingRow, TuningResult

LOSS_FILE = "loss.json"
CARD_FILE = "README.md"
DRAW_EVERY = 10.0
"""Seconds between two drawings of the loss while training runs."""


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
    """Train the LoRA adapter, if the device has room for it; a killed training goes on."""
    from mitt_assets.lineage import canonical
    from mitt_assets.reporting.loss_curve import loss_picture
    from mitt_assets.reporting.render import markdown_picture
    from resources.gpu import memory_peak

    adapter = recipe_of(work).adapter
    model = verified_model(work)
    frame = work.table("training_set").sort("sequence_id")
    work.services.free_device()
    plan = _memory(work, model, frame)
    measured = Measured(work, partial(memory_peak, work.services.device()))
    with TemporaryDirectory() as folder, work.model_time():
        result = _tuned(work, model, frame, Path(folder))
        files: dict[str, bytes | Path] = {
            path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())
        }
    losses = [round(loss, 6) for loss in result.losses]
    files[LOSS_FILE] = canonical.encode({"losses": losses})
    facts = card_facts(
        work.study, str(work.variant), model, frame, work.record("training_set").content, losses
    )
    files[CARD_FILE] = adapter_card(facts).encode("utf-8")
    picture = loss_picture(losses, len(losses), f"{work.variant}, {model.slug}")
    return Product(
        files=files,
        metadata={
            "first loss": losses[0],
            "last loss": losses[-1],
            "steps": len(losses),
            "loss": Markdown(markdown_picture(picture, "loss")),
            "memory plan": plan.sentence(),
            "steps per second": round(len(losses) / work.computing, 2),
            **measured.metadata(),
        },
        parameters={"adapter": adapter.model_dump(mode="json"), **_chosen(work.study, model)},
        seeds={"adapter": adapter.seed},
        materials=dict(model.files),
    )


def _chosen(study: Study, model: ModelFiles) -> dict[str, str]:
    """The arithmetic, where the study leaves it to the device."""
    return {"dtype": model.dtype} if study.models[model.slug].dtype == "auto" else {}


def training_rows(frame: pl.DataFrame) -> list[TrainingRow]:
    """The sequences of a training set, in the order it has."""
    from resources.tuning import TrainingRow

    return [
        TrainingRow(tuple(tokens), start)
        for tokens, start in frame.select("token_ids", "loss_start").iter_rows()
    ]


def card_facts(
    study: Study,
    variant: str,
    model: ModelFiles,
    frame: pl.DataFrame,
    training_set: str,
    losses: Sequence[float],
) -> CardFacts:
    """What the adapter's card says, from what its statement names; ``frame`` is the training set.

    ``training_set`` is the digest of its content.
    """
    recipe = study.variants[variant].recipe
    learned = frame["token_ids"].list.len().cast(int) - frame["loss_start"]
    return CardFacts(
        variant=variant,
        base=model.source,
        revision=model.revision,
        dtype=model.dtype,
        base_files=model.files,
        training_set=training_set,
        sequences=frame.height,
        whole=int(frame["whole"].sum()),
        kept=int(learned.filter(~frame["whole"]).max() or 0),  # type: ignore[arg-type]
        tokens=int(frame["token_ids"].list.len().sum()),
        trace_languages=sorted(set(frame["trace_language"])),
        prompt_languages=sorted(set(frame["prompt_language"])),
        settings=recipe.adapter.model_dump(mode="json") if recipe else {},
        losses=losses,
    )


def _memory(work: Work, model: ModelFiles, frame: pl.DataFrame) -> MemoryPlan:
    """What training will need, told to whoever watches.

    Raises ModelError, saying what would fit, if the device has less free.
    """
    from resources.memory import shape_of
    from resources.tuning.memory import plan_memory, require_memory

    adapter, device, rows = recipe_of(work).adapter, work.services.device(), training_rows(frame)
    shape = shape_of(model.folder)
    plan = plan_memory(shape, model.dtype, adapter, rows, checkpointing=device != "cpu")
    work.beat("training", 0, adapter.steps, note=f"needs {plan.sentence()}")
    place = f"{work.asset}[{work.partition}]"
    require_memory(place, plan, shape, model.dtype, adapter, rows, device)
    return plan


def _tuned(work: Work, model: ModelFiles, frame: pl.DataFrame, folder: Path) -> TuningResult:
    """Train into ``folder``; the loss is told at every step, and drawn now and then."""
    from resources.gpu import release
    from resources.tuning import tune

    device, drawn = work.services.device(), time.monotonic()
    picture = work.scratch / "training" / f"{work.variant}-{model.slug}-loss.png"

    def progress(step: int, steps: int, losses: Sequence[float]) -> None:
        nonlocal drawn
        work.beat("training", step, steps, note=f"loss {losses[-1]:.4f}, drawn in {picture}")
        if time.monotonic() - drawn > DRAW_EVERY:
            _draw(picture, losses, steps, f"{work.variant}, {model.slug}")
            drawn = time.monotonic()

    work.waiting(f"{model.slug} to load")
    result = tune(
        model,
        training_rows(frame),
        recipe_of(work).adapter,
        folder,
        device=device,
        checkpointing=device != "cpu",
        shards=work.shards,
        progress=progress,
    )
    release(device)  # what training held is an engine's again, which may be another process
    return result


def _draw(path: Path, losses: Sequence[float], steps: int, title: str) -> None:
    from mitt_assets.reporting.loss_curve import loss_picture

    with told(path.parent, "draw the loss"):
        write_atomic(path, loss_picture(losses, steps, title))
