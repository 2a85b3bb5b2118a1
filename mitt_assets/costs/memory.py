"""What a study's models need of a device: weights, keys and values, the tuning of an adapter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mitt_assets.errors import ModelError
from mitt_assets.study import Model, Recipe, Shape, Study
from resources import memory, models, weights

USED = 0.85
"""Of a device's memory, for weights and traces; the rest is for activations. Our choice."""
TUNED_STATE = 16
"""Bytes per tuned weight: itself, its gradient and AdamW's two moments, in float32."""
MICRO_TOKENS = 8192
"""Padded tokens of one forward pass while tuning, as ``resources.tuning`` takes them."""


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
    study: Study, longest: int, device: int, here: Callable[[str], Path | None]
) -> list[ModelMemory]:
    """Every model of the study; ``longest`` is a trace's tokens, prompt and answer included.

    ``here`` gives a model's folder by slug, or None if its files are not on this machine; then the
    shape written in the study serves. Raises ModelError where there is neither.
    """
    recipes = [one.recipe for one in study.variants.values() if one.recipe is not None]
    return [
        _of_model(slug, model, here(slug), recipes, longest, device)
        for slug, model in study.models.items()
    ]


def folder_here(study: Study, slug: str) -> Path | None:
    """Where a model's files are on this machine; None if they would have to be fetched."""
    model = study.models[slug]
    return models.here(model.source, model.revision, f"models.{slug}.source")


def _of_model(
    slug: str,
    model: Model,
    folder: Path | None,
    recipes: list[Recipe],
    longest: int,
    device: int,
) -> ModelMemory:
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
        tuning=max((_tuning(shape, held, model.dtype, one) for one in recipes), default=0),
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


def _tuning(shape: Shape, held: int, dtype: str, recipe: Recipe) -> int:
    """Weights, the adapter's state, what gradient checkpointing keeps, and the logits of one pass.

    A checkpoint is a layer's input; while a layer is done again its feed-forward part stands three
    times; logits stand in the model's type, in float32, and as a gradient.
    """
    kind = memory.BYTES[dtype]
    adapter = _adapter(shape, recipe)
    kept = MICRO_TOKENS * shape.hidden * shape.layers * kind
    layer = MICRO_TOKENS * (3 * shape.intermediate + 4 * shape.hidden) * kind
    logits = MICRO_TOKENS * shape.vocabulary * (kind + 4 + 4)
    return held + adapter * TUNED_STATE + kept + layer + logits


def _adapter(shape: Shape, recipe: Recipe) -> int:
    return memory.adapter_parameters(shape, recipe.adapter.rank, recipe.adapter.targets)
