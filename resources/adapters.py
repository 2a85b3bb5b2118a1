"""What an adapter does to its base, measured by running both: for checks, not for training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mitt_assets.errors import ModelError
from mitt_assets.study import Adapter
from resources.engines.base import ModelFiles
from resources.tuning.batches import TrainingRow, batches, learned_tokens, passes
from resources.tuning.loss import summed_loss
from resources.tuning.training import linear_layers

SHOWN = 64
"""Tokens of a sequence that base and adapter are compared on."""
SAMPLE = 96
"""Sequences, evenly spaced, on which their losses are compared."""


@dataclass(frozen=True)
class Effect:
    """What an adapter changes.

    ``first_loss`` is the base's loss on the batch that training began with, which a fresh adapter
    leaves as it is; ``base_loss`` and ``tuned_loss`` are those of base and adapter on a sample of
    what it was tuned on; ``change`` is the largest absolute difference it makes to a logit. If it
    cannot be attached, ``complaint`` says why, the loss is the base's and the change 0. ``linear``
    are the names of the base's linear layers, its output left out.
    """

    first_loss: float
    base_loss: float
    tuned_loss: float
    change: float
    complaint: str
    linear: tuple[str, ...]


def measure_effect(
    model: ModelFiles,
    adapter: Path,
    rows: Sequence[TrainingRow],
    settings: Adapter,
    device: str,
) -> Effect:
    """Run the base alone and with ``adapter``; ``rows`` are the sequences it was trained on.

    Raises ModelError if the base cannot be loaded.
    """
    from safetensors import SafetensorError

    from resources.engines.loading import attach_adapter, load_base

    base = load_base(model, device, "sdpa")
    tokens = rows[0].token_ids[:SHOWN]
    plain, linear = _logits(base, tokens, device), linear_layers(base)
    first = _loss(base, next(batches(rows, settings)), settings, device)
    sample = rows[:: -(-len(rows) // SAMPLE)]
    loss = _loss(base, sample, settings, device)
    try:
        adapted = attach_adapter(base, adapter, model)
    except (ModelError, SafetensorError, ValueError, KeyError, TypeError) as problem:
        return Effect(first, loss, loss, 0.0, str(problem) or type(problem).__name__, linear)
    change = (_logits(adapted, tokens, device) - plain).abs().max()
    return Effect(first, loss, _loss(adapted, sample, settings, device), float(change), "", linear)


def _logits(model: Any, tokens: Sequence[int], device: str) -> Any:
    import torch

    with torch.inference_mode():
        return model(input_ids=torch.tensor([list(tokens)], device=device)).logits.float()


def _loss(model: Any, batch: Sequence[TrainingRow], settings: Adapter, device: str) -> float:
    """The mean loss per learned token, as training takes it."""
    import torch

    with torch.inference_mode():
        total = sum(
            float(summed_loss(model, rows, device)) for rows in passes(batch, settings.pass_tokens)
        )
    return total / learned_tokens(batch)
