"""The loss of a batch, and its gradient: padded passes, or sequences packed behind each other.

Both give the mean loss per learned token of the whole batch. Packed passes also write logits for
learned tokens only, and a chunk at a time: at a vocabulary of 152,064 the logits of 10,000 tokens
alone would take 18 GB with their gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mitt_assets.errors import ModelError
from resources.tuning.batches import (
    IGNORED,
    TrainingRow,
    learned_tokens,
    packed,
    packs,
    padded,
    passes,
)

if TYPE_CHECKING:
    import torch

CHUNK = 1024
"""Learned tokens whose logits are held at once (our choice)."""
TRIED = 8
"""Tokens on which a model's head is compared with the plain matrix it is taken for."""


def learn(model: Any, batch: Sequence[TrainingRow], device: str, tokens: int) -> float:
    """Add the gradient of the mean loss per learned token of ``batch``; the loss.

    ``tokens`` are the padded tokens of one forward pass.
    """
    learned, total = learned_tokens(batch), 0.0
    for rows in passes(batch, tokens):
        loss = summed_loss(model, rows, device) / learned
        loss.backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    return total


def summed_loss(model: Any, rows: Sequence[TrainingRow], device: str) -> torch.Tensor:
    """The loss of all learned tokens of one padded pass together."""
    import torch

    tokens, attended, labels = (part.to(device) for part in padded(rows))
    logits = model(input_ids=tokens, attention_mask=attended, use_cache=False).logits
    return torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1).float(),
        labels[:, 1:].flatten(),
        ignore_index=IGNORED,
        reduction="sum",
    )


def learn_packed(model: Any, batch: Sequence[TrainingRow], device: str, tokens: int) -> float:
    """As ``learn``, with the sequences of a pass behind each other in one row of ``tokens``."""
    causal = model.get_base_model()
    decoder, head = causal.get_decoder(), causal.get_output_embeddings()
    learned, total = learned_tokens(batch), 0.0
    for rows in packs(batch, tokens):
        row = packed(rows, device)
        hidden = decoder(
            input_ids=row.tokens,
            attention_mask=row.attended,
            position_ids=row.positions,
            use_cache=False,
        ).last_hidden_state
        loss = _by_chunks(head, hidden[0, row.places], row.targets) / learned
        loss.backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    return total


def check_packable(model: Any, device: str) -> None:
    """Raise ModelError if the model's logits are not its head's matrix times its last states."""
    import torch

    causal = model.get_base_model()
    tokens = torch.arange(TRIED, device=device)[None] % causal.config.vocab_size
    with torch.no_grad():
        logits = causal(input_ids=tokens, use_cache=False).logits.float()
        hidden = causal.get_decoder()(input_ids=tokens, use_cache=False).last_hidden_state
        plain = causal.get_output_embeddings()(hidden).float()
    if not torch.allclose(logits, plain, rtol=1e-2, atol=1e-2):
        raise ModelError(
            f"a {causal.config.model_type} model does something to its logits behind the output"
            " matrix, which packed training would leave out: set adapter.packed to false"
        )


def _by_chunks(head: Any, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Summed cross-entropy; each chunk's logits are written again when its gradient is taken."""
    import torch
    from torch.utils.checkpoint import checkpoint

    total = torch.zeros((), device=hidden.device)
    for start in range(0, len(targets), CHUNK):
        part = slice(start, start + CHUNK)
        total = total + checkpoint(_entropy, head, hidden[part], targets[part], use_reentrant=False)
    return total


def _entropy(head: Any, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.nn.functional.cross_entropy(head(hidden).float(), targets, reduction="sum")
