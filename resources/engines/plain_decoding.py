"""Generation for models whose cache is not one plain list of columns: sliding windows, hybrids.

The model makes its own cache and masks. Rows are padded on the left, because a sliding window
counts columns, and finished rows stay until the last has ended: slower, and right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mitt_assets.method.requests import Continuation, Request, Sampling
from resources.engines.decoding import Count, padded
from resources.engines.sampling import choose, signed

if TYPE_CHECKING:
    import torch


def has_plain_cache(config: Any) -> bool:
    """Whether every layer attends to all earlier tokens, so that the growing cache may be used."""
    kinds = getattr(config, "layer_types", None)
    if kinds is not None:
        return all(kind == "full_attention" for kind in kinds)
    odd = ("sliding_window", "attention_chunk_size", "mamba_d_state", "ssm_cfg", "state_size")
    return not any(getattr(config, name, None) for name in odd)


def continue_plainly(
    model: Any, requests: Sequence[Request], sampling: Sampling, device: str, count: Count
) -> list[Continuation]:
    """Continue all ``requests`` in one batch, as ``continue_together`` does for plain caches."""
    import torch

    tokens, attend = _left_padded(requests, device)
    position = (attend.cumsum(1) - 1).clamp(min=0)
    count(0, sum(len(r.tokens) for r in requests))
    seeds = torch.tensor([signed(r.seed) for r in requests], device=device)
    written: list[list[int]] = [[] for _ in requests]
    running = set(range(len(requests)))
    cache = None
    for step in range(max(r.max_tokens for r in requests)):
        output = model(
            input_ids=tokens,
            attention_mask=attend,
            position_ids=position,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        cache = output.past_key_values
        drawn = choose(output.logits[:, -1], seeds, step, sampling)
        before = len(running)
        _record(requests, drawn.tolist(), written, running)
        count(before - len(running), before)
        if not running:
            break
        tokens, position = drawn[:, None], position[:, -1:] + 1
        attend = torch.cat([attend, attend.new_ones((len(requests), 1))], dim=1)
    return [
        Continuation(tuple(row), bool(row) and row[-1] in request.stop)
        for request, row in zip(requests, written, strict=True)
    ]


def _record(
    requests: Sequence[Request], drawn: list[int], written: list[list[int]], running: set[int]
) -> None:
    for row in sorted(running):
        written[row].append(drawn[row])
        if drawn[row] in requests[row].stop or len(written[row]) >= requests[row].max_tokens:
            running.discard(row)


def _left_padded(requests: Sequence[Request], device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Prompts and their attention mask, int64 (rows, longest) each."""
    reversed_rows = [r.tokens[::-1] for r in requests]
    tokens = padded(reversed_rows, 0, device).flip(1)
    attend = padded([[1] * len(row) for row in reversed_rows], 0, device).flip(1)
    return tokens, attend
