"""What a decoder-only model needs of a device's memory, from its shape alone.

Bytes of weights and of keys and values follow from the architecture (LLaMA, arXiv 2302.13971;
grouped queries, arXiv 2305.13245): with them a batch can be planned before anything is loaded.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mitt_assets.errors import ModelError
from mitt_assets.study import Shape

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
GB = 10**9


def shape_of(folder: Path) -> Shape:
    """The shape that a model's config.json tells. Raises ModelError if it does not."""
    path = folder / "config.json"
    try:
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        raw = raw.get("text_config") or raw
        heads = int(raw["num_attention_heads"])
        return Shape(
            layers=raw["num_hidden_layers"],
            hidden=raw["hidden_size"],
            heads=heads,
            key_value_heads=raw.get("num_key_value_heads") or heads,
            head_size=raw.get("head_dim") or raw["hidden_size"] // heads,
            intermediate=raw["intermediate_size"],
            vocabulary=raw["vocab_size"],
            tied=bool(raw.get("tie_word_embeddings", False)),
            biased=raw.get("model_type") == "qwen2" or bool(raw.get("attention_bias", False)),
        )
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise ModelError(
            f"{path}: the model's sizes cannot be read from it ({type(problem).__name__}:"
            f" {problem}); fetch the model again"
        ) from problem


def parameters(shape: Shape) -> int:
    """Weights of a LLaMA-shaped model: gated feed-forward, two norms a layer, one at the end."""
    queries, pairs = shape.heads * shape.head_size, shape.key_value_heads * shape.head_size
    attention = 2 * shape.hidden * queries + 2 * shape.hidden * pairs
    attention += (queries + 2 * pairs) if shape.biased else 0
    layer = attention + 3 * shape.hidden * shape.intermediate + 2 * shape.hidden
    embeddings = shape.vocabulary * shape.hidden * (1 if shape.tied else 2)
    return embeddings + shape.layers * layer + shape.hidden


def adapter_parameters(shape: Shape, rank: int, targets: str) -> int:
    """Weights of a LoRA adapter: two matrices of ``rank`` beside every adapted one.

    ``targets`` is all-linear (but the output embedding) or qv (arXiv 2106.09685, section 4.1).
    """
    queries, pairs = shape.heads * shape.head_size, shape.key_value_heads * shape.head_size
    wide = [(shape.hidden, queries), (shape.hidden, pairs)]
    if targets == "all-linear":
        wide += [(shape.hidden, pairs), (queries, shape.hidden)]
        wide += [(shape.hidden, shape.intermediate)] * 3
    return shape.layers * rank * sum(inner + outer for inner, outer in wide)


def cache_bytes(shape: Shape, dtype: str) -> int:
    """Keys and values of one token in all layers."""
    return 2 * shape.layers * shape.key_value_heads * shape.head_size * BYTES[dtype]


def weight_bytes(count: int, dtype: str) -> int:
    """``count`` weights in ``dtype``."""
    return count * BYTES[dtype]


def available(device: str) -> int | None:
    """Free bytes of a device; on the CPU what system and container leave; None if untold.

    What torch keeps of freed tensors counts as taken for the driver, and is free for this process.
    """
    if device != "cpu":
        import torch

        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + kept
    told = [_meminfo(), _container()]
    return min((one for one in told if one is not None), default=None)


def _meminfo() -> int | None:
    path = Path("/proc/meminfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024 if found else None


def _container() -> int | None:
    """What the memory limit of a container (cgroup v2) leaves."""
    folder = Path("/sys/fs/cgroup")
    limit, used = folder / "memory.max", folder / "memory.current"
    if not limit.is_file() or not used.is_file():
        return None
    most = limit.read_text(encoding="utf-8").strip()
    return int(most) - int(used.read_text(encoding="utf-8")) if most.isdigit() else None


def in_gb(count: int) -> str:
    """Bytes as people say them: gigabytes of 10^9, or megabytes where they are few."""
    return f"{count / GB:,.1f} GB" if count >= GB / 10 else f"{count / 10**6:,.1f} MB"
