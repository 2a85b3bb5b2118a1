"""Forced answers at many checkpoints of a trace for little more than reading the trace once.

Running every prefix afresh costs, in computed tokens, T squared over twice the stride. Here a trace
is read once into the cache. The suffixes of up to 32 checkpoints then stand side by side in one
sequence under a four-dimensional mask: a suffix sees the trace up to its own checkpoint and itself,
and its positions continue from there, so to each branch it is as if nothing else existed. The
answers are decoded greedily in the same way, one token of every unfinished branch per pass.
Several traces make one batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mitt_assets.method.requests import Branch, ProbeRequest
from resources.engines.decoding import Count, additive, padded, read_prompts

if TYPE_CHECKING:
    import torch

    from resources.engines.kv_cache import GrowingCache

PACK = 32
"""Checkpoints in one pack: beyond this the mask grows faster than the passes it saves."""


@dataclass
class Pack:
    """The same-numbered packs of several traces. Row r is row r of the cache.

    ``prefix``, ``suffix_length`` and ``live`` are (rows, branches): columns of the trace a branch
    sees, its suffix's tokens, and whether it still answers. ``owner`` is (rows, columns behind the
    trace): the branch a column belongs to, -1 for padding.
    """

    prefix: torch.Tensor
    suffix_length: torch.Tensor
    live: torch.Tensor
    owner: torch.Tensor

    @staticmethod
    def of(requests: Sequence[ProbeRequest], branches: list[list[Branch]], device: str) -> Pack:
        """The pack before its suffixes are read."""
        import torch

        prefix = [
            [len(request.prompt) + branch.position for branch in row]
            for request, row in zip(requests, branches, strict=True)
        ]
        lengths = padded([[len(b.suffix) for b in row] for row in branches], 0, device)
        return Pack(
            # A branch that is only padding looks at column 0: a query that sees nothing is NaN.
            prefix=padded(prefix, 1, device),
            suffix_length=lengths,
            live=lengths > 0,
            owner=torch.empty((len(branches), 0), dtype=torch.int64, device=device),
        )

    def mask(self, branch: torch.Tensor, trace_columns: int, dtype: torch.dtype) -> torch.Tensor:
        """What the newest ``owner`` columns see, to be added: (rows, 1, queries, columns).

        ``branch`` (rows, queries) are the owners of those columns, -1 for padding.
        """
        import torch

        limit = self.prefix.gather(1, branch.clamp(min=0)).masked_fill(branch < 0, 1)
        column = torch.arange(trace_columns, device=branch.device)
        trace = column < limit[:, :, None]
        order = torch.arange(self.owner.shape[1], device=branch.device)
        past = order <= order[-branch.shape[1] :, None]
        own = (self.owner[:, None] == branch[:, :, None]) & (branch >= 0)[:, :, None] & past
        return additive(torch.cat([trace, own], dim=2)[:, None], dtype)


def answer_together(
    model: Any, requests: Sequence[ProbeRequest], device: str, count: Count
) -> list[list[tuple[int, ...]]]:
    """Answers of every branch of ``requests``, one batch; those with most branches must come first.

    Each request has at least one branch; each branch a suffix and at least one token before it.
    """
    read = [_longest_prefix(request) for request in requests]
    cache, _ = read_prompts(model, read, device, max(map(_answer_columns, requests)))
    count(0, sum(map(len, read)))
    answers: list[list[tuple[int, ...]]] = [[()] * len(r.branches) for r in requests]
    order = [_latest_first(r.branches) for r in requests]
    for start in range(0, len(order[0]), PACK):
        packs = [places[start : start + PACK] for places in order if len(places) > start]
        within = requests[: len(packs)]
        branches = [[r.branches[i] for i in p] for r, p in zip(within, packs, strict=True)]
        cache.focus(slice(0, len(packs)), _columns(within, branches))
        found = _answer_pack(model, within, branches, cache, device, count)
        for row, (places, of_row) in enumerate(zip(packs, found, strict=True)):
            for place, answer in zip(places, of_row, strict=True):
                answers[row][place] = answer
    count(len(requests), 0)
    return answers


def _latest_first(branches: Sequence[Branch]) -> list[int]:
    """Places of ``branches``, the longest prefix first.

    So each pack may overwrite what only earlier packs looked at, and looks no further itself.
    """
    return sorted(range(len(branches)), key=lambda i: -branches[i].position)


def _columns(requests: Sequence[ProbeRequest], branches: list[list[Branch]]) -> int:
    """Columns of the trace that any branch of the pack sees."""
    rows = zip(requests, branches, strict=True)
    return max(len(request.prompt) + row[0].position for request, row in rows)


def _answer_columns(request: ProbeRequest) -> int:
    """Columns behind the trace that the suffixes and answers of one pack fill at most."""
    suffix = max(len(branch.suffix) for branch in request.branches)
    return min(PACK, len(request.branches)) * (suffix + request.max_tokens)


def _longest_prefix(request: ProbeRequest) -> tuple[int, ...]:
    return request.prompt + request.trace[: max(b.position for b in request.branches)]


def _answer_pack(
    model: Any,
    requests: Sequence[ProbeRequest],
    branches: list[list[Branch]],
    cache: GrowingCache,
    device: str,
    count: Count,
) -> list[list[tuple[int, ...]]]:
    """Read the suffixes of one pack, then decode until every branch has stopped."""
    import torch

    columns = cache.length
    pack = Pack.of(requests, branches, device)
    limits = padded([[r.max_tokens] for r in requests], 0, device)
    stops = padded([r.stop for r in requests], -1, device)
    newest = _read_suffixes(model, pack, branches, cache, columns)
    count(0, int(pack.suffix_length.sum()))
    written = [newest]
    lengths = torch.ones_like(pack.prefix)
    step = 1
    while True:
        pack.live &= ~(newest[:, :, None] == stops[:, None]).any(2) & (step < limits)
        computed = int(pack.live.sum())
        if not computed:
            break
        newest = _decode_step(model, pack, newest, cache, columns, step)
        written.append(newest)
        lengths += pack.live
        count(0, computed)
        step += 1
    return _answers(branches, torch.stack(written, dim=2).tolist(), lengths.tolist())


def _read_suffixes(
    model: Any, pack: Pack, branches: list[list[Branch]], cache: GrowingCache, columns: int
) -> torch.Tensor:
    """First answer token of every branch, (rows, branches): one pass over all suffixes.

    Suffixes end at the same column of their slots, so that one list of columns needs logits.
    """
    import torch

    rows, number = pack.prefix.shape
    width = int(pack.suffix_length.max())
    slot = torch.arange(width, device=pack.prefix.device)
    offset = slot - (width - pack.suffix_length)[:, :, None]
    filled = offset >= 0
    tokens = torch.zeros_like(offset)
    tokens[filled] = _joined(branches, tokens.device)
    branch = torch.arange(number, device=tokens.device)[:, None].expand_as(offset)
    branch = branch.masked_fill(~filled, -1).flatten(1)
    position = (pack.prefix[:, :, None] + offset).masked_fill(~filled, 0).flatten(1)
    last = torch.arange(1, number + 1, device=tokens.device) * width - 1
    return _forward(model, pack, tokens.flatten(1), position, branch, cache, columns, last)


def _decode_step(
    model: Any, pack: Pack, newest: torch.Tensor, cache: GrowingCache, columns: int, step: int
) -> torch.Tensor:
    """Next token of every live branch, (rows, branches); finished branches have left the pack."""
    import torch

    width = int(pack.live.sum(1).max())
    chosen = (~pack.live).to(torch.int8).argsort(dim=1, stable=True)[:, :width]
    live = pack.live.gather(1, chosen)
    position = (pack.prefix + pack.suffix_length).gather(1, chosen) + (step - 1)
    branch = chosen.masked_fill(~live, -1)
    every = torch.arange(width, device=newest.device)
    tokens = newest.gather(1, chosen)
    answer = _forward(
        model, pack, tokens, position.masked_fill(~live, 0), branch, cache, columns, every
    )
    return newest.scatter(1, chosen, answer)


def _forward(
    model: Any,
    pack: Pack,
    tokens: torch.Tensor,
    position: torch.Tensor,
    branch: torch.Tensor,
    cache: GrowingCache,
    columns: int,
    wanted: torch.Tensor,
) -> torch.Tensor:
    """Append ``tokens`` (rows, queries) to the pack; the likeliest next token at ``wanted``."""
    import torch

    pack.owner = torch.cat([pack.owner, branch], dim=1)
    output = model(
        input_ids=tokens,
        position_ids=position,
        attention_mask=pack.mask(branch, columns, model.dtype),
        past_key_values=cache.library,
        use_cache=True,
        logits_to_keep=wanted,
    )
    likeliest: torch.Tensor = output.logits.argmax(-1)
    return likeliest


def _joined(branches: list[list[Branch]], device: torch.device) -> torch.Tensor:
    """All suffix tokens, row by row and branch by branch."""
    import torch

    tokens = [token for row in branches for branch in row for token in branch.suffix]
    return torch.tensor(tokens, dtype=torch.int64, device=device)


def _answers(
    branches: list[list[Branch]], written: list[list[list[int]]], lengths: list[list[int]]
) -> list[list[tuple[int, ...]]]:
    return [
        [tuple(written[row][i][: lengths[row][i]]) for i in range(len(of_row))]
        for row, of_row in enumerate(branches)
    ]
