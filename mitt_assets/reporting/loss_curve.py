"""The loss of a training over its steps, as a small picture."""

from __future__ import annotations

from collections.abc import Sequence

from mitt_assets.reporting.panels import Panel, Point, Series
from mitt_assets.reporting.render import picture
from mitt_assets.reporting.style import INKS

DRAWN = 300
"""Steps drawn; longer trainings are thinned evenly, the last step always there."""


def loss_picture(losses: Sequence[float], steps: int, title: str) -> bytes:
    """PNG of the losses so far, of ``steps`` in all."""
    every = -(-len(losses) // DRAWN)
    points = [Point(step, loss) for step, loss in enumerate(losses, start=1)]
    kept = points[::-1][::every][::-1]
    series = Series("", INKS[0], "o", tuple(kept))
    head = f"{title}: step {len(losses)} of {steps}, loss {losses[-1]:.4f}"
    panel = Panel(
        head, "curve", (series,), "step", "loss per token", percent=False, whole=True, width=4.2
    )
    return picture([panel])
