"""Training between two steps: written now and then, so that a killed one goes on where it was.

There is no generator to keep: nothing is drawn after the first weights, and the batches of a step
follow from the seed and the number of the step.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch

_LOG = logging.getLogger(__name__)
_MOMENTS = ("exp_avg", "exp_avg_sq")
PLACE = 0
"""Number of the shard that holds the state."""
EVERY = 10
"""Steps between two writes (our choice)."""

Named = Mapping[str, "torch.nn.Parameter"]


class Shards(Protocol):
    """Work in progress that outlives a process: see resources.shards."""

    def load(self, index: int) -> bytes | None:
        """What was saved, whole, or None."""

    def save(self, index: int, data: bytes) -> None:
        """Keep it, in one step."""


def state_bytes(losses: list[float], named: Named, optimiser: torch.optim.AdamW) -> bytes:
    """Weights, both moments of AdamW, and the losses so far; as many as steps were taken."""
    from safetensors.torch import save

    tensors: dict[str, Any] = {}
    for name, weight in named.items():
        tensors[name] = weight.detach().cpu().contiguous()
        for moment in _MOMENTS:
            tensors[f"{name}/{moment}"] = optimiser.state[weight][moment].cpu().contiguous()
    return save(tensors, metadata={"losses": json.dumps(losses)})


def resume(data: bytes | None, named: Named, optimiser: torch.optim.AdamW) -> list[float]:
    """Put a saved state back; the losses of the steps it has behind it, none where none was saved.

    A state of other weights is left alone, with a warning: training begins anew.
    """
    import torch
    from safetensors.torch import load

    if data is None:
        return []
    tensors = load(data)
    expected = {name: tuple(weight.shape) for name, weight in named.items()}
    found = {name: tuple(tensors[name].shape) for name in expected if name in tensors}
    if found != expected:
        _LOG.warning("The saved state of training is of another adapter; training begins anew.")
        return []
    losses: list[float] = json.loads(_metadata(data)["losses"])
    with torch.no_grad():
        for name, weight in named.items():
            weight.copy_(tensors[name])
            optimiser.state[weight] = {
                "step": torch.tensor(float(len(losses))),
                **{one: tensors[f"{name}/{one}"].to(weight.device) for one in _MOMENTS},
            }
    return losses


def _metadata(data: bytes) -> dict[str, str]:
    """What a safetensors file says beside its tensors: its header is JSON behind its length."""
    length = int.from_bytes(data[:8], "little")
    return dict(json.loads(data[8 : 8 + length])["__metadata__"])
