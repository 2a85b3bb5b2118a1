"""LoRA tuning of a reasoner on token sequences, the same bytes every time on a CPU.

The question is masked from the loss and padding is never attended to. Rows are drawn by a generator
of their own, epoch after epoch, so that the order depends on the seed and on nothing else.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mitt_assets.errors import ModelError
from mitt_assets.study import Adapter
from resources.engines.base import ModelFiles
from resources.tuning.batches import TrainingRow, batches, check_rows
from resources.tuning.loss import check_packable, learn, learn_packed
from resources.tuning.state import EVERY, PLACE, Shards, resume, state_bytes

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

CLIP = 1.0
"""Largest norm of a step's gradient (our choice, as in common practice)."""
CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"

Progress = Callable[[int, int, Sequence[float]], None]
"""Called with the steps taken, the steps in all, and the losses so far."""


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
    checkpointing: bool = False,
    shards: Shards | None = None,
    progress: Progress = lambda step, steps, losses: None,
) -> TuningResult:
    """Train an adapter on ``rows`` and write it to ``out`` as a PEFT folder.

    With ``checkpointing`` layers are computed again for their gradient instead of kept. ``shards``
    keep the training between steps: a killed one goes on there, and ends with the same bytes.
    Raises DataError if there is nothing to learn and ModelError if the loss is not finite.
    """
    import torch

    check_rows(rows)
    adapted = _adapted(model, settings, device, checkpointing)
    named = {name: weight for name, weight in adapted.named_parameters() if weight.requires_grad}
    optimiser = torch.optim.AdamW(named.values(), lr=settings.learning_rate, weight_decay=0.0)
    losses = resume(shards.load(PLACE) if shards else None, named, optimiser)
    if settings.packed:
        check_packable(adapted, device)
    learning = learn_packed if settings.packed else learn
    for batch in islice(batches(rows, settings), len(losses), None):
        for group in optimiser.param_groups:
            group["lr"] = _rate(settings, len(losses))
        loss = learning(adapted, batch, device, settings.pass_tokens)
        if not math.isfinite(loss):
            raise ModelError(
                f"{model.slug}: the loss is {loss} at step {len(losses) + 1}; lower"
                " adapter.learning_rate"
            )
        torch.nn.utils.clip_grad_norm_(named.values(), CLIP)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        losses.append(loss)
        if shards and len(losses) % EVERY == 0:
            shards.save(PLACE, state_bytes(losses, named, optimiser))
        progress(len(losses), settings.steps, losses)
    _write(adapted, model, out)
    return TuningResult(tuple(losses), sum(weight.numel() for weight in named.values()))


def _rate(settings: Adapter, step: int) -> float:
    """The learning rate of a step, from 0: linear warm-up, then constant."""
    warmup = max(1, math.ceil(settings.warmup * settings.steps))
    return settings.learning_rate * min(1.0, (step + 1) / warmup)


def _adapted(model: ModelFiles, settings: Adapter, device: str, checkpointing: bool) -> PeftModel:
    """The base with a fresh adapter; its first weights depend on the seed alone.

    The base stays in its own arithmetic; PEFT keeps the adapter of a bfloat16 base in float32.
    """
    import torch
    from peft import LoraConfig, TaskType, get_peft_model

    from resources.engines.loading import load_base

    base = load_base(model, device, "sdpa")
    every = settings.targets == "all-linear"
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=0.0,
        target_modules=list(linear_layers(base)) if every else ["q_proj", "v_proj"],
        task_type=TaskType.CAUSAL_LM,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        adapted = get_peft_model(base, config)
    if checkpointing:
        base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        base.enable_input_require_grads()
    adapted.train()
    return adapted


def linear_layers(base: PreTrainedModel) -> tuple[str, ...]:
    """Last names of the linear layers, the output left out: what "all-linear" stands for.

    PEFT's own "all-linear" writes each layer's full name into the adapter of some models.
    """
    import torch

    output = base.get_output_embeddings()
    return tuple(
        sorted(
            {
                name.rpartition(".")[2]
                for name, module in base.named_modules()
                if isinstance(module, torch.nn.Linear) and module is not output
            }
        )
    )


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
