"""Scaled-dot-product attention that never copies shared key-value heads.

Where several query heads share one key-value head (grouped-query attention), the library repeats
keys and values for every step as soon as a mask is given: seven copies of the whole cache per
layer and token for a 7B Qwen2. The heads of a group can instead stand side by side as further
queries of their shared head, under the same mask: the same sums, nothing copied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

NAME = "sdpa_grouped"


def register() -> str:
    """Make the attention known to transformers; returns the name to load models with."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(NAME, grouped_attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    return NAME


def grouped_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attention by the library's interface, without dropout: for inference.

    ``query`` is (rows, heads, queries, width), ``key`` and ``value`` (rows, shared heads, columns,
    width), ``attention_mask`` (rows, 1, queries, columns), True where a query may look. Without a
    mask several queries are causal. Returns (rows, queries, heads, width).
    """
    from torch.nn.functional import scaled_dot_product_attention as sdpa

    rows, heads, queries, width = query.shape
    shared = key.shape[1]
    if attention_mask is None and queries > 1:
        mixed = sdpa(query, key, value, is_causal=True, scale=scaling, enable_gqa=shared < heads)
        return mixed.transpose(1, 2).contiguous(), None
    group = heads // shared
    folded = query.reshape(rows, shared, group * queries, width)
    mixed = sdpa(folded, key, value, attn_mask=_folded(attention_mask, group), scale=scaling)
    return mixed.reshape(rows, heads, queries, width).transpose(1, 2).contiguous(), None


def _folded(mask: torch.Tensor | None, group: int) -> torch.Tensor | None:
    """The mask of ``group`` heads side by side."""
    if mask is None or group == 1:
        return mask
    rows, one, queries, columns = mask.shape
    return mask[:, :, None].expand(rows, one, group, queries, columns).flatten(2, 3)
