"""Batched generation over a growing cache: finished rows leave, so a long tail costs only itself.

Rows are padded on the right while their prompts are read, so that reading needs no mask; the last
token of each prompt is the first that the common loop feeds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mitt_assets.method.requests import Continuation, Request, Sampling
from resources.engines.batches import within
from resources.engines.kv_cache import GrowingCache
from resources.engines.sampling import choose, signed

if TYPE_CHECKING:
    import torch

Count = Callable[[int, int], None]
"""Called with (requests just finished, tokens just computed)."""

_SPARE_COLUMNS = 256
"""Columns allocated beyond the longest prompt before the first growth."""


@dataclass
class LiveRows:
    """What the loop knows of the rows that still run; row i is row i of the cache.

    All tensors are int64 of shape (rows,), but ``stops`` (rows, k), padded with -1.
    """

    index: torch.Tensor
    current: torch.Tensor
    position: torch.Tensor
    seeds: torch.Tensor
    limits: torch.Tensor
    stops: torch.Tensor
    visible: torch.Tensor

    @staticmethod
    def of(requests: Sequence[Request], columns: int, device: str) -> LiveRows:
        """The rows of ``requests``, whose prompts (but for their last token) fill ``columns``."""
        import torch

        def numbers(values: list[int]) -> torch.Tensor:
            return torch.tensor(values, dtype=torch.int64, device=device)

        position = numbers([len(r.tokens) - 1 for r in requests])
        column = torch.arange(columns, device=device)
        return LiveRows(
            index=torch.arange(len(requests), device=device),
            current=numbers([r.tokens[-1] for r in requests]),
            position=position,
            seeds=numbers([signed(r.seed) for r in requests]),
            limits=numbers([r.max_tokens for r in requests]),
            stops=padded([r.stop for r in requests], -1, device),
            visible=column < position[:, None],
        )

    def ended(self, step: int) -> torch.Tensor:
        """Which rows end with the token just drawn, the ``step``-th counted from 1."""
        return (self.current[:, None] == self.stops).any(1) | (self.limits <= step)

    def mask(self, step: int) -> torch.Tensor:
        """(rows, 1, 1, columns): the row's own prompt and everything generated since."""
        from torch.nn.functional import pad

        return pad(self.visible, (0, step + 1), value=True)[:, None, None]

    def drop(self, ended: torch.Tensor, cache: GrowingCache) -> None:
        """Let the last live rows take the places of ended ones, here and in the cache."""
        live = int((~ended).sum())
        targets = ended[:live].nonzero()[:, 0]
        sources = (~ended[live:]).nonzero()[:, 0] + live
        cache.move(sources, targets)
        for name, tensor in vars(self).items():
            tensor[targets] = tensor[sources]
            setattr(self, name, tensor[:live])
        cache.focus(slice(0, live), cache.length)


def continue_together(
    model: Any, requests: Sequence[Request], sampling: Sampling, device: str, count: Count
) -> list[Continuation]:
    """Continue all ``requests`` in one batch. Each must have tokens and ``max_tokens`` of 1 up."""
    import torch

    most = max(r.max_tokens for r in requests)
    cache, columns = read_prompts(model, [r.tokens[:-1] for r in requests], device, most)
    count(0, sum(len(r.tokens) - 1 for r in requests))
    rows = LiveRows.of(requests, columns, device)
    written = torch.zeros((len(requests), most), dtype=torch.int32, device=device)
    lengths = torch.zeros(len(requests), dtype=torch.int64, device=device)
    for step in range(most):
        rows.current = choose(_next_logits(model, rows, cache, step), rows.seeds, step, sampling)
        written[rows.index, step] = rows.current.int()
        rows.position = rows.position + 1
        computed = len(rows.index)
        ended = rows.ended(step + 1)
        if finished := int(ended.sum()):
            lengths[rows.index[ended]] = step + 1
            rows.drop(ended, cache)
        count(finished, computed)
        if not len(rows.index):
            break
    return _continuations(requests, written.tolist(), lengths.tolist())


def _next_logits(model: Any, rows: LiveRows, cache: GrowingCache, step: int) -> torch.Tensor:
    """Logits after the current token of each row: (rows, vocabulary)."""
    output = model(
        input_ids=rows.current[:, None],
        position_ids=rows.position[:, None],
        attention_mask=additive(rows.mask(step), model.dtype),
        past_key_values=cache.library,
        use_cache=True,
        logits_to_keep=1,
    )
    return output.logits[:, -1]


def read_prompts(
    model: Any, prompts: Sequence[Sequence[int]], device: str, more: int
) -> tuple[GrowingCache, int]:
    """A cache that holds ``prompts`` from column 0 on, and its columns; up to ``more`` will follow.

    Rows are read in groups of similar size (the caller sorts by length) without a mask: padding is
    on the right, where causal attention never looks.
    """
    lengths = [len(p) for p in prompts]
    columns = max(lengths)
    cache = GrowingCache(
        model.config.num_hidden_layers,
        len(prompts),
        columns + min(more, _SPARE_COLUMNS),
        columns + more,
    )
    for rows in within(lengths, _READ_TOKENS[device == "cpu"]):
        tokens = padded(prompts[rows], 0, device)
        if tokens.shape[1]:
            cache.focus(rows, 0)
            position = tokens.new_ones(tokens.shape).cumsum(1) - 1
            model(
                input_ids=tokens,
                position_ids=position,
                past_key_values=cache.library,
                use_cache=True,
                logits_to_keep=1,
            )
    cache.focus(slice(0, len(prompts)), columns)
    return cache, columns


# Tokens read in one forward pass: bounds the activations (cuda, cpu). Our choice.
_READ_TOKENS = (32_768, 2_048)


def padded(rows: Sequence[Sequence[int]], filler: int, device: str) -> torch.Tensor:
    """int64 of shape (rows, longest), filled up on the right."""
    import torch

    width = max(map(len, rows), default=0)
    filled = [[*row, *[filler] * (width - len(row))] for row in rows]
    return torch.tensor(filled, dtype=torch.int64, device=device).reshape(len(rows), width)


def additive(visible: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """0 where a query may look and -inf elsewhere: made once, where every layer would make it."""
    import torch

    return torch.zeros_like(visible, dtype=dtype).masked_fill_(~visible, float("-inf"))


def _continuations(
    requests: Sequence[Request], written: list[list[int]], lengths: list[int]
) -> list[Continuation]:
    rows = zip(requests, written, lengths, strict=True)
    kept = [(request, tuple(tokens[:length])) for request, tokens, length in rows]
    return [Continuation(tokens, tokens[-1] in request.stop) for request, tokens in kept]
