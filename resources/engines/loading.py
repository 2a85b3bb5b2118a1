"""Models and adapters from local files, refused with a sentence where they cannot serve."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mitt_assets.errors import ModelError
from resources.engines.base import ModelFiles

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PretrainedConfig, PreTrainedModel

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
    check_dtype(device, model.dtype, f"models.{model.slug}.dtype")
    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        loaded: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            model.folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=getattr(torch, model.dtype),
            attn_implementation=attention,
        )
    except (ValueError, OSError, KeyError, ImportError) as problem:
        raise ModelError(_unreadable(model, _first_line(problem))) from problem
    loaded.to(torch.device(device))  # type: ignore[arg-type]
    loaded.eval()  # type: ignore[no-untyped-call]
    return loaded


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
        base = AutoModelForCausalLM.from_config(read_config(model))  # type: ignore[no-untyped-call]
    return int(_fitted(base, folder, model).peft_config["default"].r)


def read_config(model: ModelFiles) -> PretrainedConfig:
    """The configuration of a decoder-only language model. Raises ModelError if it is none."""
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    try:
        config = AutoConfig.from_pretrained(
            model.folder, local_files_only=True, trust_remote_code=False
        )
    except (ValueError, OSError, KeyError) as problem:
        raise ModelError(_unreadable(model, _first_line(problem))) from problem
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise ModelError(_unreadable(model, f"its model_type is {config.model_type}"))
    return config


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


def check_folder(model: ModelFiles) -> None:
    """Raise ModelError if the folder is missing or holds no safetensors model."""
    if not model.folder.is_dir():
        raise ModelError(
            f"{_named(model)}: there is no folder {model.folder}. Materialise base_model for it "
            "again, or mend models.<slug>.source in the study file"
        )
    if not (model.folder / "config.json").is_file():
        raise ModelError(f"{_named(model)}: {model.folder} has no config.json; it is not a model")
    if not any(model.folder.glob("*.safetensors")):
        found = ", ".join(sorted(p.name for p in model.folder.glob("*.bin"))) or "no weights"
        raise ModelError(
            f"{_named(model)}: {model.folder} has no .safetensors file (found: {found}). Pickled "
            "weights can run code and are not read; convert them with safetensors first"
        )


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


def _unreadable(model: ModelFiles, why: str) -> str:
    return (
        f"{_named(model)}: transformers cannot load {model.folder} as a decoder-only language "
        f"model: {why}. Give another model, or one with a text-only decoder"
    )


def _misfit(folder: Path, model: ModelFiles, complaint: str) -> str:
    return (
        f"adapter {folder} was made for another base than {_named(model)} ({complaint}). "
        "Materialise the variant's adapter for this model"
    )


def _named(model: ModelFiles) -> str:
    return f"model {model.slug} ({model.source})"


def _first_line(problem: Exception) -> str:
    return (str(problem).strip() or type(problem).__name__).splitlines()[0].rstrip(".")
