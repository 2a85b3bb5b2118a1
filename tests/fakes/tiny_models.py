"""Random models of a few thousand parameters, saved as a real one is; made in a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from resources.engines.base import ModelFiles

VOCABULARY = 61
CONTEXT = 1024
FAMILIES = ("qwen2", "llama")


def tiny_model(
    folder: Path,
    family: str = "llama",
    *,
    shared_heads: int = 4,
    layers: int = 2,
    width: int = 32,
    seed: int = 0,
    **settings: Any,
) -> ModelFiles:
    """A random ``family`` model with 4 heads over ``shared_heads`` key-value heads in ``folder``.

    vLLM's attention wants heads of 32 or more, so a ``width`` of 128.
    Weights are drawn wide, so that greedy answers vary instead of repeating one token.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(
        family,
        vocab_size=VOCABULARY,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=shared_heads,
        intermediate_size=48,
        max_position_embeddings=CONTEXT,
        initializer_range=0.4,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=1,
        **settings,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return ModelFiles(
        slug=folder.name,
        source=f"tests/{folder.name}",
        revision=None,
        dtype="float32",
        folder=folder,
    )


def greedy_afresh(files: ModelFiles, tokens: tuple[int, ...], count: int) -> tuple[int, ...]:
    """The oracle: ``count`` greedy tokens, the whole sequence run through the library each time."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        files.folder, attn_implementation="eager", dtype=getattr(torch, files.dtype)
    ).eval()
    sequence = list(tokens)
    with torch.inference_mode():
        for _ in range(count):
            logits = model(torch.tensor([sequence]), use_cache=False).logits
            sequence.append(int(logits[0, -1].argmax()))
    return tuple(sequence[len(tokens) :])
