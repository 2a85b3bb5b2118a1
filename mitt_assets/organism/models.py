"""The two shapes of reasoner, about 0.92 million parameters each, untrained."""

from typing import TYPE_CHECKING

from mitt_assets.organism.recipe import recipe

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

SHAPES = ("llama", "qwen")


def new_model(shape: str, tokenizer: "PreTrainedTokenizerFast", seed: int) -> "PreTrainedModel":
    """A reasoner with random float32 weights and eager attention.

    Raises:
        ValueError: `shape` is neither "llama" nor "qwen".
    """
    if shape not in SHAPES:
        raise ValueError(f"unknown shape {shape!r}; there are {', '.join(SHAPES)}")
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

    settings = dict(
        recipe().model,
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        attn_implementation="eager",
        dtype="float32",
    )
    torch.manual_seed(seed)
    if shape == "llama":
        return LlamaForCausalLM(LlamaConfig(**settings))
    return Qwen2ForCausalLM(Qwen2Config(**settings))
