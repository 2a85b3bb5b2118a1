"""Models and adapters from local files, refused with a sentence where they cannot serve."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mitt_assets.errors import ModelError
from resources.engines.base import ModelFiles
from resources.engines.serving import (
    check_folder,
    check_memory,
    named,
    read_config,
    unreadable,
)

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

_Shapes = dict[str, tuple[int, ...]]


def load_base(model: ModelFiles, device: str, attention: str) -> PreTrainedModel:
    """The causal language model in ``model.folder``, ready for inference on ``device``.

    Raises ModelError if there is none, transformers cannot read it as one or the device cannot
    compute in its dtype.
    """
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    from resources.gpu import check_dtype

    check_folder(model)
    read_config(model)
    check_dtype(device, model.dtype, f"models.{model.slug}.dtype")
    check_memory(model, device)
    disable_progress_bar()
    reader: Any = AutoModelForCausalLM  # its type says nothing of output_loading_info
    try:
        loaded, told = reader.from_pretrained(
            model.folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=getattr(torch, model.dtype),
            attn_implementation=attention,
            output_loading_info=True,
        )
        loaded.to(torch.device(device))
    except torch.OutOfMemoryError as problem:
        raise ModelError(
            f"{named(model)} does not fit {device} beside what is there: free the device, or choose"
            " a smaller dtype or model"
        ) from problem
    except (ValueError, OSError, KeyError, ImportError, RuntimeError) as problem:
        raise ModelError(unreadable(model, _first_line(problem))) from problem
    _refuse_invented(model, told)
    model_ready: PreTrainedModel = loaded.eval()
    return model_ready


def _refuse_invented(model: ModelFiles, told: dict[str, Any]) -> None:
    """The library draws weights that the files lack at random, and only warns."""
    invented = sorted({*told["missing_keys"], *(one[0] for one in told["mismatched_keys"])})
    if invented:
        raise ModelError(
            f"{named(model)}: its files do not hold {invented[0]} ({len(invented)} tensors in all)"
            " as its config.json describes them: config.json is another model's, or a file is"
            " missing. Fetch the model again"
        )


def attach_adapter(base: PreTrainedModel, folder: Path, model: ModelFiles) -> PeftModel:
    """``base`` with the PEFT adapter of ``folder`` active; ``unload()`` on the result undoes it.

    The adapter must name this base, and every tensor of its file must meet one of the same name
    and shape: PEFT alone would leave unknown ones out and go on with an adapter that does nothing.
    Raises ModelError otherwise.
    """
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    adapted = _fitted(base, folder, model)
    set_peft_model_state_dict(adapted, load_file(folder / "adapter_model.safetensors"))
    return adapted.eval()


def check_adapter(folder: Path, model: ModelFiles) -> int:
    """The rank of the adapter in ``folder``; ModelError, as ``attach_adapter``, if it does not fit.

    The base is built without weights, for engines that keep them elsewhere.
    """
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        base = AutoModelForCausalLM.from_config(read_config(model))
    return int(_fitted(base, folder, model).peft_config["default"].r)


def _fitted(base: PreTrainedModel, folder: Path, model: ModelFiles) -> PeftModel:
    """``base`` with layers for the adapter, whose names and shapes are those of its file."""
    from peft import LoraConfig, get_peft_model, get_peft_model_state_dict

    _check_adapter_folder(folder)
    settings = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    _check_settings(settings, folder, model)
    try:
        config = LoraConfig.from_pretrained(str(folder), local_files_only=True)
        config.inference_mode, config.base_model_name_or_path = True, None
        adapted = get_peft_model(base, config)
    except ValueError as problem:
        raise ModelError(_misfit(folder, model, _first_line(problem))) from problem
    expected = {
        name: tuple(tensor.shape) for name, tensor in get_peft_model_state_dict(adapted).items()
    }
    if complaint := _difference(expected, _shapes(folder / "adapter_model.safetensors")):
        adapted.unload()
        raise ModelError(_misfit(folder, model, complaint))
    return adapted


def _shapes(file: Path) -> dict[str, tuple[int, ...]]:
    from safetensors import safe_open

    with safe_open(file, "pt") as tensors:
        return {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118


def _check_adapter_folder(folder: Path) -> None:
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        if not (folder / name).is_file():
            raise ModelError(
                f"adapter {folder}: no {name} there. Materialise the variant's adapter again"
            )


def _check_settings(settings: dict[str, Any], folder: Path, model: ModelFiles) -> None:
    if settings.get("peft_type") != "LORA":
        raise ModelError(f"adapter {folder}: peft_type {settings.get('peft_type')!r}, not LORA")
    base = settings.get("base_model_name_or_path")
    if base != model.source:
        raise ModelError(_misfit(folder, model, f"its adapter_config.json names {base}"))


def _difference(expected: _Shapes, found: _Shapes) -> str:
    """The first tensor that does not fit, in words; empty if all do."""
    for name in sorted(expected.keys() | found.keys()):
        ours, theirs = expected.get(name), found.get(name)
        if ours != theirs:
            return f"{name}: {ours or 'nothing'} in the model, {theirs or 'nothing'} in the file"
    return ""


def _misfit(folder: Path, model: ModelFiles, complaint: str) -> str:
    return (
        f"adapter {folder} was made for another base than {named(model)} ({complaint}). "
        "Materialise the variant's adapter for this model"
    )


def _first_line(problem: Exception) -> str:
    return (str(problem).strip() or type(problem).__name__).splitlines()[0].rstrip(".")
