"""Whether a model can serve at all, found out before gigabytes are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mitt_assets.errors import ModelError
from resources import memory, weights
from resources.engines.base import ModelFiles

if TYPE_CHECKING:
    from transformers import PretrainedConfig


def check_folder(model: ModelFiles) -> None:
    """Raise ModelError if the folder is missing or holds no whole safetensors model."""
    if not model.folder.is_dir():
        raise ModelError(
            f"{named(model)}: there is no folder {model.folder}. Materialise base_model for it "
            "again, or mend models.<slug>.source in the study file"
        )
    if not (model.folder / "config.json").is_file():
        raise ModelError(f"{named(model)}: {model.folder} has no config.json; it is not a model")
    if not weights.shards(model.folder):
        found = ", ".join(sorted(p.name for p in model.folder.glob("*.bin"))) or "no weights"
        raise ModelError(
            f"{named(model)}: {model.folder} has no .safetensors file (found: {found}). Pickled "
            "weights can run code and are not read; convert them with safetensors first"
        )
    if missing := weights.lacking(model.folder):
        raise ModelError(
            f"{named(model)}: not all of it is in {model.folder}: {', '.join(missing)}. Remove "
            "what is cut off and fetch the model again; what is whole is kept"
        )


def read_config(model: ModelFiles) -> PretrainedConfig:
    """The configuration of a decoder-only language model. Raises ModelError if it is none."""
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING,
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    )

    try:
        config = AutoConfig.from_pretrained(
            model.folder, local_files_only=True, trust_remote_code=False
        )
    except (ValueError, OSError, KeyError, TypeError, StrictDataclassError) as problem:
        raise ModelError(unreadable(model, _why_not(model, problem))) from problem
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING or config.is_encoder_decoder:
        raise ModelError(unreadable(model, f"its model_type is {config.model_type}"))
    writer = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(config.model_type)
    made_for = config.architectures or [writer]
    if writer not in made_for:
        raise ModelError(
            unreadable(model, f"its weights are a {made_for[0]}'s, which writes no text")
        )
    return config


def check_vocabulary(model: ModelFiles, entries: int) -> None:
    """Raise ModelError if the tokenizer has more entries than the model has embeddings."""
    rows = int(read_config(model).get_text_config().vocab_size)
    if entries > rows:
        raise ModelError(
            f"{named(model)}: its tokenizer has {entries:,} entries, but its embedding only"
            f" {rows:,} rows: the tokenizer is another model's, or tokens were added and never"
            " trained. Give the tokenizer that belongs to the weights"
        )


def check_memory(model: ModelFiles, device: str) -> None:
    """Raise ModelError, saying what would fit, if the device's free memory is below the weights'.

    A device that does not tell its memory is not judged.
    """
    free = memory.available(device)
    count = weights.parameters(model.folder)
    needed = memory.weight_bytes(count, model.dtype)
    if free is None or needed <= free:
        return
    raise ModelError(
        f"{named(model)}: its {count:,} weights need {memory.in_gb(needed)} in {model.dtype}, but"
        f" {device} has {memory.in_gb(free)} free. {_what_fits(model, count, free)}"
    )


def _what_fits(model: ModelFiles, count: int, free: int) -> str:
    half = memory.weight_bytes(count, "bfloat16")
    if model.dtype == "float32" and half <= free:
        return (
            f"In bfloat16 they need {memory.in_gb(half)}, which fits: set models.{model.slug}.dtype"
        )
    largest = free // memory.BYTES["bfloat16"]
    return (
        f"What fits here has at most {largest / 10**9:,.2f} billion weights (bfloat16): free the"
        " device, choose a smaller model, or spread it over several devices with engine vllm"
        " (engine.vllm.tensor_parallel)"
    )


def named(model: ModelFiles) -> str:
    """The model as errors name it."""
    return f"model {model.slug} ({model.source})"


def unreadable(model: ModelFiles, why: str) -> str:
    """Transformers cannot read it as what it must be."""
    return (
        f"{named(model)}: transformers cannot load {model.folder} as a decoder-only "
        f"language model: {why}. Give another model, or one with a text-only decoder"
    )


def _why_not(model: ModelFiles, problem: Exception) -> str:
    config = model.folder / "config.json"
    if config.is_file() and b'"auto_map"' in config.read_bytes():
        return "it wants code from its repository to be run, which is never done"
    return _said(problem)


def _said(problem: Exception) -> str:
    lines = (str(problem).strip() or type(problem).__name__).splitlines()
    return " ".join(line.strip() for line in lines[:2]).rstrip(".")
