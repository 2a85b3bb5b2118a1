"""A key-value cache that is written in place, grows by halves and can drop rows.

The library's dynamic cache concatenates at every step: a copy of everything for every token, which
makes a trace of T tokens cost T squared. Here each layer owns one buffer of shape
(rows, heads, capacity, width); a step writes one column and reads a view.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import Cache


class GrowingLayer:
    """One layer's keys and values, by the interface of the library's cache layers.

    ``rows`` are those that are read and written now, ``length`` the columns in use.
    """

    is_compileable = False
    is_croppable = True
    is_sliding = False
    is_initialized = True

    def __init__(self, batch: int, capacity: int, most: int) -> None:
        """Room for ``batch`` rows and, to begin with, ``capacity`` of at most ``most`` columns."""
        self.batch = batch
        self.capacity = capacity
        self.most = most
        self.rows = slice(0, batch)
        self.length = 0
        self.keys: torch.Tensor | None = None
        self.values: torch.Tensor | None = None

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append (rows, heads, new, width) and return views of all columns in use."""
        start, self.length = self.length, self.length + keys.shape[2]
        self.keys = self._room(self.keys, keys, start)
        self.values = self._room(self.values, values, start)
        self.keys[self.rows, :, start : self.length] = keys
        self.values[self.rows, :, start : self.length] = values
        return self.keys[self.rows, :, : self.length], self.values[self.rows, :, : self.length]

    def _room(self, buffer: torch.Tensor | None, new: torch.Tensor, used: int) -> torch.Tensor:
        """``buffer`` itself if the new columns fit, else one half as large again, or the last."""
        if buffer is not None and buffer.shape[2] >= self.length:
            return buffer
        if self.length > self.capacity:
            half_more = self.capacity + self.capacity // 2
            self.capacity = max(self.length, min(self.most, half_more))
        _, heads, _, width = new.shape
        # Zeros, not empty: a masked column still meets a weight of 0, and 0 x NaN is NaN.
        grown = new.new_zeros((self.batch, heads, self.capacity, width))
        if buffer is not None:
            grown[:, :, :used] = buffer[:, :, :used]
        return grown

    def lazy_initialization(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Nothing: the first write allocates."""

    def get_seq_length(self) -> int:
        """Columns in use."""
        return self.length

    def get_max_length(self) -> int:
        """-1: no limit."""
        return -1

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Width of the mask for ``query_length`` new columns, and the first column's number."""
        return self.length + query_length, 0


@cache
def _library_layer() -> type[GrowingLayer]:
    """GrowingLayer as a subclass of the library's own, which it asks for with isinstance."""
    from transformers.cache_utils import CacheLayerMixin

    return type("LibraryGrowingLayer", (GrowingLayer, CacheLayerMixin), {})


class GrowingCache:
    """All layers of one batch, and the ``library`` object that a model's forward takes."""

    def __init__(self, layers: int, batch: int, capacity: int, most: int) -> None:
        """Nothing is allocated before the first write; ``most`` columns will be in use at most."""
        from transformers import Cache

        kind = _library_layer()
        self.layers: list[GrowingLayer] = [kind(batch, capacity, most) for _ in range(layers)]
        self.library: Cache = Cache(layers=[*self.layers])

    @property
    def length(self) -> int:
        """Columns in use."""
        return self.layers[0].length

    def focus(self, rows: slice, length: int) -> None:
        """Read and write only ``rows`` from now on, as if ``length`` columns were in use."""
        for layer in self.layers:
            layer.rows, layer.length = rows, length

    def move(self, sources: torch.Tensor, targets: torch.Tensor) -> None:
        """Overwrite rows ``targets`` by rows ``sources`` (int64 each, no row in both)."""
        for layer in self.layers:
            for buffer in (layer.keys, layer.values):
                if buffer is not None:
                    used = buffer[:, :, : layer.length]
                    used[targets] = used[sources]
