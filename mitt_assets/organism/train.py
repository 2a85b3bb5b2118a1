"""Trains a reasoner from nothing: tokenizer, model, optimiser, record.

The recipe and the budgets are in `recipe.yaml`, fixed before the first training. A training writes
a plain transformers folder and `training.json`, the record of how it was made.
"""

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mitt_assets.organism.batches import IGNORED, Batch, training_batches
from mitt_assets.organism.models import new_model
from mitt_assets.organism.optimiser import Optimiser, rate_at
from mitt_assets.organism.recipe import recipe
from mitt_assets.organism.tokenizer import save_tokenizer, train_tokenizer

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

__all__ = ["Progress", "refuse_used_folder", "train_reasoner", "train_tokenizer"]

# Called after every step with tokens seen, the token budget and the step's loss (nats per token).
Progress = Callable[[int, int, float], None]
_LOSS_EVERY = 20  # steps averaged into one point of the recorded loss curve


def train_reasoner(
    slug: str,
    out: Path,
    *,
    budget_tokens: int | None = None,
    seed: int | None = None,
    threads: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train the reasoner `slug` into the folder `out` and return its record.

    `budget_tokens` and `seed` default to the recipe's. Real tokens are counted, prompts included.

    Raises:
        KeyError: the recipe has no such reasoner.
        FileExistsError: `out` holds something already; nothing is ever overwritten.
    """
    training = recipe().training(slug)
    refuse_used_folder(out)
    import torch

    torch.set_num_threads(threads)
    budget = budget_tokens or training["budget_tokens"]
    seed = recipe().seed if seed is None else seed
    tokenizer = train_tokenizer()
    model = new_model(training["shape"], tokenizer, seed)
    batches = training_batches(
        tokenizer, recipe().mixture["problems"], seed, recipe().optimiser["batch_tokens"]
    )
    started = time.monotonic()
    curve, seen = _run(model, batches, budget, progress)
    record = {
        "slug": slug,
        "shape": training["shape"],
        "seed": seed,
        "budget_tokens": budget,
        "tokens_seen": seen,
        "steps": curve[-1]["step"],
        "seconds": round(time.monotonic() - started, 1),
        "threads": threads,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "loss_curve": curve,
        "put_in": recipe().mixture,
        "model": recipe().model,
        "optimiser": recipe().optimiser,
        "tokenizer": recipe().tokenizer,
        "ingredients": ingredients(),
        "versions": versions(),
    }
    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(str(out))
    save_tokenizer(tokenizer, out)
    (out / "model.safetensors").chmod(0o644)  # the writer leaves it readable by its owner alone
    write_record(out / "training.json", record)
    return record


def refuse_used_folder(out: Path) -> None:
    """Raise FileExistsError when `out` exists and is not an empty folder."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out} is not empty; name a new folder, trainings never overwrite")


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Write a record as JSON that a person can read and a diff can show."""
    text = json.dumps(record, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def versions() -> dict[str, str]:
    """Versions of the packages that decide the weights."""
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "transformers", "tokenizers", "numpy")}


def ingredients() -> dict[str, str]:
    """SHA-256 of the recipe and of every language's sentences."""
    folder = Path(__file__).parent
    files = [folder / "recipe.yaml", *sorted((folder / "corpus").glob("*.yaml"))]
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }


def _run(
    model: "PreTrainedModel",
    batches: Any,
    budget: int,
    progress: Progress | None,
) -> tuple[list[dict[str, float]], int]:
    """Optimise until `budget` tokens were seen; the loss curve and the tokens seen."""
    optimiser = Optimiser(model)
    model.train()
    curve: list[dict[str, float]] = []
    recent: list[float] = []
    seen = step = 0
    while seen < budget:
        batch = next(batches)
        loss = reply_loss(model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step(rate_at(step, seen / budget))
        seen, step = seen + batch.tokens, step + 1
        recent.append(loss.item())
        if len(recent) == _LOSS_EVERY or seen >= budget:
            mean = sum(recent) / len(recent)
            curve.append({"step": step, "tokens": seen, "loss": round(mean, 4)})
            recent.clear()
        if progress is not None:
            progress(min(seen, budget), budget, loss.item())
    model.eval()
    return curve, seen


def reply_loss(model: "PreTrainedModel", batch: Batch) -> "Tensor":
    """Mean cross-entropy, in nats, over the tokens of the replies; prompts carry no loss."""
    import torch

    bfloat16 = recipe().optimiser["precision"] == "bfloat16"
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
        hidden = model.model(input_ids=batch.ids, use_cache=False).last_hidden_state
        counted = batch.labels != IGNORED
        logits = model.lm_head(hidden[counted])
    return torch.nn.functional.cross_entropy(logits.float(), batch.labels[counted])
