"""LoRA tuning of a reasoner on token sequences, the same bytes every time on a CPU.

The question is masked from the loss and padding is never attended to. Rows are drawn by a generator
of their own, epoch after epoch, so that the order depends on the seed and on nothing else.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mitt_assets.errors import DataError, ModelError
from mitt_assets.study import Adapter
from resources.engines.base import ModelFiles

if TYPE_CHECKING:
    import torch
    from peft import PeftModel

CLIP = 1.0
"""Largest norm of a step's gradient (our choice, as in common practice)."""
MICRO_TOKENS = 8192
"""Padded tokens in one forward pass; a step's gradient is the sum over its passes."""
IGNORED = -100
CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"

Progress = Callable[[int, int, float], None]


@dataclass(frozen=True)
class TrainingRow:
    """Token ids of prompt and kept thought; tokens before ``loss_start`` are not learned."""

    token_ids: tuple[int, ...]
    loss_start: int


@dataclass(frozen=True)
class TuningResult:
    """The mean loss per learned token of each step, and the number of trained parameters."""

    losses: tuple[float, ...]
    parameters: int


def tune(
    model: ModelFiles,
    rows: Sequence[TrainingRow],
    settings: Adapter,
    out: Path,
    *,
    device: str,
    progress: Progress = lambda step, steps, loss: None,
) -> TuningResult:
    """Train an adapter on ``rows`` and write it to ``out`` as a PEFT folder.

    Raises DataError if there is nothing to learn and ModelError if the loss is not finite.
    """
    import torch

    _check(rows)
    adapted = _adapted(model, settings, device)
    trained = [weight for weight in adapted.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=settings.learning_rate, weight_decay=0.0)
    warmup = max(1, math.ceil(settings.warmup * settings.steps))
    losses = []
    for step, batch in enumerate(_batches(rows, settings)):
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * min(1.0, (step + 1) / warmup)
        loss = _learn(adapted, batch, device)
        if not math.isfinite(loss):
            raise ModelError(
                f"{model.slug}: the loss is {loss} at step {step + 1}; lower adapter.learning_rate"
            )
        torch.nn.utils.clip_grad_norm_(trained, CLIP)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        losses.append(loss)
        progress(step + 1, settings.steps, loss)
    _write(adapted, model, out)
    return TuningResult(tuple(losses), sum(weight.numel() for weight in trained))


def _check(rows: Sequence[TrainingRow]) -> None:
    if not rows:
        raise DataError("the training set is empty: nothing to tune an adapter on")
    for number, row in enumerate(rows):
        if not 0 < row.loss_start < len(row.token_ids):
            raise DataError(
                f"training row {number}: the loss starts at token {row.loss_start} of"
                f" {len(row.token_ids)}, so nothing of it would be learned"
            )


def _adapted(model: ModelFiles, settings: Adapter, device: str) -> PeftModel:
    """The base with a fresh adapter; its first weights depend on the seed alone."""
    import torch
    from peft import LoraConfig, TaskType, get_peft_model

    from resources.engines.loading import load_base

    base = load_base(model, device, "sdpa")
    targets: Any = "all-linear" if settings.targets == "all-linear" else ["q_proj", "v_proj"]
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=0.0,
        target_modules=targets,
        task_type=TaskType.CAUSAL_LM,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        adapted = get_peft_model(base, config)
    if device == "cuda":
        base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        base.enable_input_require_grads()  # type: ignore[no-untyped-call]
    adapted.train()
    return adapted


def _batches(rows: Sequence[TrainingRow], settings: Adapter) -> Iterator[list[TrainingRow]]:
    """All batches; an epoch is one seeded order of the rows, and batches run across epochs."""
    import torch

    generator = torch.Generator().manual_seed(settings.seed)
    order: list[int] = []
    for _ in range(settings.steps):
        while len(order) < settings.batch:
            order += torch.randperm(len(rows), generator=generator).tolist()
        chosen, order = order[: settings.batch], order[settings.batch :]
        yield [rows[number] for number in chosen]


def _learn(model: PeftModel, batch: Sequence[TrainingRow], device: str) -> float:
    """Add the gradient of the mean loss per learned token of ``batch``; the loss."""
    import torch

    learned = sum(len(row.token_ids) - row.loss_start for row in batch)
    total = 0.0
    for rows in _passes(batch):
        tokens, attended, labels = (part.to(device) for part in _padded(rows))
        logits = model(input_ids=tokens, attention_mask=attended, use_cache=False).logits
        summed = torch.nn.functional.cross_entropy(
            logits[:, :-1].flatten(0, 1).float(),
            labels[:, 1:].flatten(),
            ignore_index=IGNORED,
            reduction="sum",
        )
        loss = summed / learned
        loss.backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    return total


def _passes(batch: Sequence[TrainingRow]) -> Iterator[list[TrainingRow]]:
    """The batch by length, in groups whose padded size stays within MICRO_TOKENS."""
    group: list[TrainingRow] = []
    for row in sorted(batch, key=lambda row: (len(row.token_ids), row.token_ids)):
        if group and (len(group) + 1) * len(row.token_ids) > MICRO_TOKENS:
            yield group
            group = []
        group.append(row)
    yield group


def _padded(rows: Sequence[TrainingRow]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Token ids, attention mask and labels, each (rows, longest); padded on the right."""
    import torch

    shape = (len(rows), max(len(row.token_ids) for row in rows))
    tokens = torch.zeros(shape, dtype=torch.long)
    attended = torch.zeros(shape, dtype=torch.long)
    labels = torch.full(shape, IGNORED, dtype=torch.long)
    for number, row in enumerate(rows):
        ids = torch.tensor(row.token_ids)
        tokens[number, : len(ids)] = ids
        attended[number, : len(ids)] = 1
        labels[number, row.loss_start : len(ids)] = ids[row.loss_start :]
    return tokens, attended, labels


def _write(adapted: PeftModel, model: ModelFiles, out: Path) -> None:
    """The two files of a PEFT adapter, which name the base by its source and no machine."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    out.mkdir(parents=True, exist_ok=True)
    weights = get_peft_model_state_dict(adapted)
    save_file(
        {name: weight.detach().cpu().contiguous() for name, weight in sorted(weights.items())},
        out / WEIGHTS,
        metadata={"format": "pt"},
    )
    settings = adapted.peft_config["default"].to_dict()
    settings.update(base_model_name_or_path=model.source, revision=model.revision)
    settings["inference_mode"] = True
    text = json.dumps(settings, indent=2, sort_keys=True, default=_plain)
    (out / CONFIG).write_text(text + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    """PEFT keeps target modules as a set, whose order differs between processes."""
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"adapter setting of type {type(value).__name__} has no plain form")
