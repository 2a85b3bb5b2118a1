"""What a training step needs of a device's memory, before anything is loaded.

Frozen weights follow from the model's shape; each trained number takes sixteen bytes: itself, its
gradient and two moments of AdamW in float32 (arXiv 1412.6980). With checkpointing every layer keeps
its input, and one layer at a time everything its gradient needs (arXiv 1604.06174); what that is
for a gated feed-forward layer with LoRA we counted, after arXiv 2205.05198, section 4.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mitt_assets.errors import ModelError
from mitt_assets.study import Adapter, Shape
from resources.memory import BYTES, adapter_parameters, available, in_gb, parameters
from resources.tuning.batches import TrainingRow
from resources.tuning.loss import CHUNK

TRAINED = 16
"""Bytes per trained number."""
SLACK = 1.1
"""Of activations and logits: what the allocator rounds up and leaves in pieces (our choice)."""


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes of one training step, by what they hold; ``tokens`` are those of its largest pass."""

    tokens: int
    weights: int
    adapter: int
    activations: int
    logits: int
    checkpointing: bool

    @property
    def total(self) -> int:
        """All of it, with some slack."""
        return self.weights + self.adapter + int(SLACK * (self.activations + self.logits))

    def sentence(self) -> str:
        """The plan in words."""
        kept = "one layer at a time" if self.checkpointing else "all layers"
        return (
            f"{in_gb(self.total)}: weights {in_gb(self.weights)}, adapter with gradient and"
            f" optimiser {in_gb(self.adapter)}, activations of {self.tokens:,} tokens"
            f" ({kept}) {in_gb(self.activations)}, logits {in_gb(self.logits)}"
        )


def plan_memory(
    shape: Shape,
    dtype: str,
    settings: Adapter,
    rows: Sequence[TrainingRow],
    *,
    checkpointing: bool,
) -> MemoryPlan:
    """The largest step of a training on ``rows``."""
    longest = max(len(row.token_ids) for row in rows)
    learned = max(len(row.token_ids) - row.loss_start for row in rows)
    tokens = max(longest, min(settings.pass_tokens, longest * settings.batch))
    logits = min(CHUNK, max(learned, tokens)) if settings.packed else tokens
    layer = tokens * layer_bytes(shape, dtype, settings)
    inputs = tokens * shape.layers * shape.hidden * BYTES[dtype]
    mask = tokens * tokens * (1 + BYTES[dtype]) if settings.packed else 0
    return MemoryPlan(
        tokens=tokens,
        weights=parameters(shape) * BYTES[dtype],
        adapter=adapter_parameters(shape, settings.rank, settings.targets) * TRAINED,
        activations=mask + (inputs + layer if checkpointing else shape.layers * layer),
        # As the head writes them, in float32, and the gradient of each.
        logits=logits * shape.vocabulary * (2 * BYTES[dtype] + 2 * 4),
        checkpointing=checkpointing,
    )


def layer_bytes(shape: Shape, dtype: str, settings: Adapter) -> int:
    """What the gradient of one layer keeps of each token; counted in a test against autograd.

    In the model's arithmetic: queries, keys, values, what attention wrote, and the gate, its
    activation and the other branch. In float32: both norms' inputs, attention's denominators, and
    the input of each adapted matrix with what LoRA's first matrix makes of it. A bfloat16 input is
    cast, once for each matrix; a float32 one is shared, and attention's is there already.
    """
    queries, pairs = shape.heads * shape.head_size, shape.key_value_heads * shape.head_size
    hidden, wide = shape.hidden, shape.intermediate
    plain = 2 * queries + 2 * pairs + 3 * wide
    every = settings.targets == "all-linear"
    if BYTES[dtype] == 4:
        inputs = 2 * hidden + wide if every else hidden
    else:
        inputs = 5 * hidden + queries + wide if every else 2 * hidden
    low = settings.rank * (7 if every else 2)
    return plain * BYTES[dtype] + (2 * hidden + shape.heads + inputs + low) * 4


def require_memory(
    place: str,
    plan: MemoryPlan,
    shape: Shape,
    dtype: str,
    settings: Adapter,
    rows: Sequence[TrainingRow],
    device: str,
) -> None:
    """Raise ModelError, saying what would fit, if the plan exceeds what the device has free."""
    free = available(device)
    if free is None or plan.total <= free:
        return
    fitting = _would_fit(plan, shape, dtype, settings, rows, free)
    raise ModelError(
        f"{place}: training needs {plan.sentence()}; {device} has {in_gb(free)} free."
        f" {fitting or 'No setting would make it fit: use a smaller model or a larger device.'}"
    )


def _would_fit(
    plan: MemoryPlan,
    shape: Shape,
    dtype: str,
    settings: Adapter,
    rows: Sequence[TrainingRow],
    free: int,
) -> str:
    """The first change of settings that fits, as a sentence; empty if none does."""

    def fits(dtype: str = dtype, rows: Sequence[TrainingRow] = rows, **changes: object) -> bool:
        changed = settings.model_copy(update=changes)
        kept = plan.checkpointing
        return plan_memory(shape, dtype, changed, rows, checkpointing=kept).total <= free

    longest = max(len(row.token_ids) for row in rows)
    if fits(pass_tokens=longest):
        return f"It fits with adapter.pass_tokens: {longest}."
    if fits(pass_tokens=longest, packed=True):
        return f"It fits with adapter.packed: true and adapter.pass_tokens: {longest}."
    if dtype == "float32" and fits("bfloat16", pass_tokens=longest, packed=True):
        return (
            "It fits with the model's dtype bfloat16, adapter.packed: true and"
            f" adapter.pass_tokens: {longest}."
        )
    for length in (longest // 2, longest // 4, longest // 8):
        cut = [_cut(row, length) for row in rows]
        if length > 1 and fits(rows=cut, pass_tokens=length, packed=True):
            return (
                f"It fits with adapter.packed: true, adapter.pass_tokens: {length} and sequences"
                f" of at most {length:,} tokens (the longest has {longest:,}): cut them, or lower"
                " generation.budget."
            )
    return ""


def _cut(row: TrainingRow, length: int) -> TrainingRow:
    return replace(
        row, token_ids=row.token_ids[:length], loss_start=min(row.loss_start, length - 1)
    )
