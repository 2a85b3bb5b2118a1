"""What a study's models need of a device: weights, keys and values, the tuning of an adapter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mitt_assets.errors import ModelError
from mitt_assets.study import Model, Recipe, Shape, Study
from resources import memory, models, weights
from resources.compute import AUTO
from resources.tuning.batches import TrainingRow
from resources.tuning.memory import plan_memory

USED = 0.85
"""Of a device's memory, for weights and traces; the rest is for activations. Our choice."""


@dataclass(frozen=True)
class ModelMemory:
    """Bytes a model needs, and how many whole traces a device of ``device`` bytes holds at once.

    ``tuning`` is the largest recipe's need, ``adapters`` what all recipes' files take on disk.
    """

    slug: str
    dtype: str
    parameters: int
    weights: int
    cache_per_token: int
    cache_per_trace: int
    tuning: int
    adapters: int
    device: int
    traces_at_once: int

    @property
    def fits(self) -> bool:
        """Whether the device holds the weights and one whole trace."""
        return self.traces_at_once > 0


def of_study(
    study: Study, prompt: int, device: int, auto: str, here: Callable[[str], Path | None]
) -> list[ModelMemory]:
    """Every model of the study, with prompts of ``prompt`` tokens.

    ``auto`` is the dtype of models that leave it to the device. ``here`` gives a model's folder by
    slug, or None if its files are not on this machine; then the shape written in the study serves.
    Raises ModelError where there is neither.
    """
    recipes = [one.recipe for one in study.variants.values() if one.recipe is not None]
    longest = prompt + study.generation.budget + 1 + study.generation.answer_tokens
    return [
        _of_model(slug, _with_dtype(model, auto), here(slug), recipes, longest, prompt, device)
        for slug, model in study.models.items()
    ]


def folder_here(study: Study, slug: str) -> Path | None:
    """Where a model's files are on this machine; None if they would have to be fetched."""
    model = study.models[slug]
    return models.here(model.source, model.revision, f"models.{slug}.source")


def _with_dtype(model: Model, auto: str) -> Model:
    return model.model_copy(update={"dtype": auto}) if model.dtype == AUTO else model


def _of_model(
    slug: str,
    model: Model,
    folder: Path | None,
    recipes: list[Recipe],
    longest: int,
    prompt: int,
    device: int,
) -> ModelMemory:
    """``longest`` is a trace's tokens, prompt and answer included."""
    shape, count = _sizes(slug, model, folder)
    held = memory.weight_bytes(count, model.dtype)
    token = memory.cache_bytes(shape, model.dtype)
    room = int(device * USED) - held
    return ModelMemory(
        slug=slug,
        dtype=model.dtype,
        parameters=count,
        weights=held,
        cache_per_token=token,
        cache_per_trace=token * longest,
        tuning=max(
            (_tuning(shape, model.dtype, one, longest, prompt) for one in recipes), default=0
        ),
        adapters=sum(_adapter(shape, one) for one in recipes) * memory.BYTES["float32"],
        device=device,
        traces_at_once=max(0, room // (token * longest)),
    )


def _sizes(slug: str, model: Model, folder: Path | None) -> tuple[Shape, int]:
    """Shape and number of weights: of the files, else as the study says."""
    if folder is not None:
        return memory.shape_of(folder), weights.parameters(folder)
    if model.shape is None:
        raise ModelError(
            f"models.{slug}.shape: the files of {model.source} are not on this machine, so the plan"
            " needs the model's sizes; write them into the study (see `mitt study show paper`), or"
            f" fetch the files with `hf download {model.source}`"
        )
    return model.shape, memory.parameters(model.shape)


def _tuning(shape: Shape, dtype: str, recipe: Recipe, longest: int, prompt: int) -> int:
    """The memory plan of a training step whose longest row is what the recipe can keep."""
    kept = recipe.cut.tokens
    whole = recipe.whole_share > 0 or kept is None
    length = longest if whole or kept is None else prompt + kept
    row = TrainingRow((0,) * length, prompt)
    return plan_memory(shape, dtype, recipe.adapter, [row], checkpointing=True).total


def _adapter(shape: Shape, recipe: Recipe) -> int:
    return memory.adapter_parameters(shape, recipe.adapter.rank, recipe.adapter.targets)
