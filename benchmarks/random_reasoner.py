"""A random model of the embedded default's size: speed does not depend on what weights say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import TypeVar

from resources.engines.base import ModelFiles

VOCABULARY = 1_280
CONTEXT = 4_096

Result = TypeVar("Result")


def random_reasoner(folder: Path) -> ModelFiles:
    """0.92 M parameters in Llama's shape, saved in ``folder``."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        intermediate_size=320,
        max_position_embeddings=CONTEXT,
        initializer_range=0.25,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return ModelFiles("random", "benchmarks/random", None, "float32", folder)


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """What ``work`` returns and the processor seconds it took."""
    start = process_time()
    result = work()
    return result, process_time() - start
