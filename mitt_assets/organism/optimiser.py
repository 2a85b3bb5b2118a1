"""Muon for the weight matrices, AdamW for the rest, one schedule for both.

Muon (Keller Jordan, 2024) replaces a matrix's momentum by its nearest orthogonal matrix, found by
five Newton-Schulz steps. Matrices of one shape are stacked, which on a processor saves most of
its cost. The coefficients are the published ones.
"""

import math
from typing import TYPE_CHECKING

from mitt_assets.organism.recipe import recipe

if TYPE_CHECKING:
    from torch import Tensor, nn

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_STEPS = 5


def orthogonalised(stack: "Tensor") -> "Tensor":
    """Newton-Schulz on float32 [count, rows, columns]: singular values near 1, same shape."""
    a, b, c = _COEFFICIENTS
    tall = stack.shape[-2] > stack.shape[-1]
    x = stack.mT if tall else stack
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(_STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class Optimiser:
    """Both optimisers behind one `step`; matrices are the layers' 2-D weights."""

    def __init__(self, model: "nn.Module") -> None:
        """Sort the model's parameters; the rates come from the recipe."""
        import torch

        settings = recipe().optimiser
        self._muon = settings["muon"]
        self._groups: dict[tuple[int, ...], list[nn.Parameter]] = {}
        rest = []
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2 and "embed" not in name and "lm_head" not in name:
                self._groups.setdefault(tuple(parameter.shape), []).append(parameter)
            else:
                rest.append(parameter)
        self._momenta = {
            shape: torch.zeros(len(group), *shape) for shape, group in self._groups.items()
        }
        self._adamw_lr = settings["adamw"]["lr"]
        betas = tuple(settings["adamw"]["betas"])
        self._adamw = torch.optim.AdamW(rest, lr=self._adamw_lr, betas=betas, weight_decay=0.0)
        self._model = model
        self._clip = settings["clip"]

    def step(self, share_of_rate: float) -> None:
        """Clip the gradients, update every parameter at `share_of_rate` of its rate, reset."""
        import torch

        torch.nn.utils.clip_grad_norm_(self._model.parameters(), self._clip)
        for shape, group in self._groups.items():
            self._step_matrices(shape, group, share_of_rate * self._muon["lr"])
        for settings in self._adamw.param_groups:
            settings["lr"] = share_of_rate * self._adamw_lr
        self._adamw.step()
        self._model.zero_grad(set_to_none=True)

    def _step_matrices(
        self, shape: tuple[int, ...], group: list["nn.Parameter"], rate: float
    ) -> None:
        import torch

        with torch.no_grad():
            gradients = torch.stack([p.grad for p in group if p.grad is not None])
            momentum = self._momenta[shape]
            momentum.lerp_(gradients, 1 - self._muon["momentum"])
            nesterov = gradients.lerp(momentum, self._muon["momentum"])
            update = orthogonalised(nesterov) * math.sqrt(max(1.0, shape[0] / shape[1]))
            for parameter, change in zip(group, update, strict=True):
                parameter.mul_(1 - rate * self._muon["weight_decay"])
                parameter.sub_(change, alpha=rate)


def rate_at(step: int, share_done: float) -> float:
    """Share of the full rate: linear warm-up in steps, flat, then linear down to the last share."""
    settings = recipe().optimiser
    warm = min(1.0, (step + 1) / settings["warmup_steps"])
    flat, last = settings["flat_until"], settings["final_share"]
    falling = max(0.0, (share_done - flat) / (1 - flat))
    return warm * (1 - min(1.0, falling) * (1 - last))
