"""The growing cache: what was written is what is read, after growth, drops and going back."""

from __future__ import annotations

import torch  # noqa: TID253 (this file is about tensors only)
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.engines.kv_cache import GrowingCache, GrowingLayer


def columns(rows: int, count: int, seed: int) -> torch.Tensor:
    return torch.randn((rows, 2, count, 3), generator=torch.Generator().manual_seed(seed))


@given(
    capacity=st.integers(1, 12),
    writes=st.lists(st.integers(1, 9), min_size=1, max_size=12),
)
@settings(max_examples=40)
def test_growing_keeps_what_concatenating_keeps(capacity: int, writes: list[int]) -> None:
    layer = GrowingLayer(batch=3, capacity=capacity, most=sum(writes))
    parts = [columns(3, count, seed) for seed, count in enumerate(writes)]
    for number, part in enumerate(parts, start=1):
        keys, values = layer.update(part, -part)
        assert torch.equal(keys, torch.cat(parts[:number], dim=2))
        assert torch.equal(values, -keys)
    assert layer.get_seq_length() == sum(writes)


def test_no_more_columns_are_taken_than_will_be_used() -> None:
    """Batches are made as large as their columns fit the device: half as many again would not."""
    layer = GrowingLayer(batch=1, capacity=10, most=21)
    taken = []
    for _ in range(21):
        layer.update(columns(1, 1, 0), columns(1, 1, 0))
        assert layer.keys is not None
        taken.append(layer.keys.shape[2])
    assert sorted(set(taken)) == [10, 15, 21]


def test_rows_that_are_moved_keep_their_columns() -> None:
    cache = GrowingCache(layers=1, batch=4, capacity=2, most=6)
    written = columns(4, 5, 0)
    cache.layers[0].update(written, written)
    cache.move(torch.tensor([3]), torch.tensor([1]))
    cache.focus(slice(0, 3), 5)
    new = columns(3, 1, 1)
    keys, _ = cache.layers[0].update(new, new)
    assert torch.equal(keys, torch.cat([written[[0, 3, 2]], new], dim=2))


def test_going_back_overwrites_and_growth_while_focused_keeps_the_other_rows() -> None:
    cache = GrowingCache(layers=1, batch=3, capacity=4, most=10)
    layer = cache.layers[0]
    base = columns(3, 4, 0)
    layer.update(base, base)
    cache.focus(slice(0, 2), 4)
    layer.update(columns(2, 6, 1), columns(2, 6, 1))
    cache.focus(slice(0, 3), 4)
    last = columns(3, 1, 2)
    keys, _ = layer.update(last, last)
    assert torch.equal(keys, torch.cat([base, last], dim=2))
