"""Which sequences a step learns, and how they lie in the tensors of a forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mitt_assets.errors import DataError
from mitt_assets.study import Adapter

if TYPE_CHECKING:
    import torch

IGNORED = -100


@dataclass(frozen=True)
class TrainingRow:
    """Token ids of prompt and kept thought; tokens before ``loss_start`` are not learned."""

    token_ids: tuple[int, ...]
    loss_start: int


def check_rows(rows: Sequence[TrainingRow]) -> None:
    """Raise DataError if there is nothing to learn, in all or in one row."""
    if not rows:
        raise DataError("the training set is empty: nothing to tune an adapter on")
    for number, row in enumerate(rows):
        if not 0 < row.loss_start < len(row.token_ids):
            raise DataError(
                f"training row {number}: the loss starts at token {row.loss_start} of"
                f" {len(row.token_ids)}, so nothing of it would be learned"
            )


def batches(rows: Sequence[TrainingRow], settings: Adapter) -> Iterator[list[TrainingRow]]:
    """All batches; an epoch is one seeded order of the rows, and batches run across epochs."""
    import torch

    generator = torch.Generator().manual_seed(settings.seed)
    order: list[int] = []
    for _ in range(settings.steps):
        while len(order) < settings.batch:
            order += torch.randperm(len(rows), generator=generator).tolist()
        chosen, order = order[: settings.batch], order[settings.batch :]
        yield [rows[number] for number in chosen]


def learned_tokens(batch: Sequence[TrainingRow]) -> int:
    """Tokens of a batch that are learned."""
    return sum(len(row.token_ids) - row.loss_start for row in batch)


def passes(batch: Sequence[TrainingRow], tokens: int) -> Iterator[list[TrainingRow]]:
    """The batch by length, in groups whose padded size stays within ``tokens``."""
    group: list[TrainingRow] = []
    for row in sorted(batch, key=lambda row: (len(row.token_ids), row.token_ids)):
        if group and (len(group) + 1) * len(row.token_ids) > tokens:
            yield group
            group = []
        group.append(row)
    yield group


def packs(batch: Sequence[TrainingRow], tokens: int) -> list[list[TrainingRow]]:
    """The batch in groups of at most ``tokens`` tokens in all: longest first, where it first fits.

    A sequence longer than that has a group of its own.
    """
    groups: list[list[TrainingRow]] = []
    room: list[int] = []
    for row in sorted(batch, key=lambda row: (-len(row.token_ids), row.token_ids)):
        length = len(row.token_ids)
        place = next((i for i, free in enumerate(room) if free >= length), None)
        if place is None:
            groups.append([row])
            room.append(tokens - length)
        else:
            groups[place].append(row)
            room[place] -= length
    return groups


def padded(rows: Sequence[TrainingRow]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
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


@dataclass(frozen=True)
class Packed:
    """Sequences behind each other in one row; none sees another.

    ``tokens`` and ``positions`` are (1, T), positions starting at 0 in every sequence;
    ``attended`` is (1, 1, T, T), True where a token sees another; ``places`` are the T' tokens
    that a learned token follows, and ``targets`` the learned tokens.
    """

    tokens: torch.Tensor
    positions: torch.Tensor
    attended: torch.Tensor
    places: torch.Tensor
    targets: torch.Tensor


def packed(rows: Sequence[TrainingRow], device: str) -> Packed:
    """Lay ``rows`` behind each other on ``device``."""
    import torch

    lengths = torch.tensor([len(row.token_ids) for row in rows], device=device)
    tokens = torch.tensor([one for row in rows for one in row.token_ids], device=device)
    starts = lengths.cumsum(0) - lengths
    owner = torch.repeat_interleave(torch.arange(len(rows), device=device), lengths)
    positions = torch.arange(len(tokens), device=device) - starts[owner]
    learned = positions >= torch.tensor([row.loss_start for row in rows], device=device)[owner]
    targets = learned.nonzero().flatten()
    # True where both are of one sequence, and no later token than the one that looks.
    attended = (owner[:, None] == owner[None, :]).tril_()
    return Packed(
        tokens=tokens[None],
        positions=positions[None],
        attended=attended[None, None],
        places=targets - 1,
        targets=tokens[targets],
    )
