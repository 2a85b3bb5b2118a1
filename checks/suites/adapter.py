"""An adapter is whole, of its base and its settings, learned something, and changes the model."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from checks.subject import Subject, Values
from checks.suites.manifests import ABSENT, json_object, text_of
from checks.suites.rules import WARNING, among, between, equal, rows, suite
from checks.suites.training_set import recipe_of
from mitt_assets.assets.models import MANIFEST
from mitt_assets.assets.training import CARD_FILE, LOSS_FILE, card_facts, training_rows
from mitt_assets.method.model_card import adapter_card
from resources.adapters import Effect, measure_effect
from resources.gpu import release
from resources.tuning import CONFIG, WEIGHTS

if TYPE_CHECKING:
    import polars as pl
    from great_expectations import ExpectationSuite

SETTINGS = ("variants",)
CODE = (
    "checks.suites.rules",
    "checks.suites.manifests",
    "checks.suites.training_set",
    "mitt_assets.assets.training",
    "mitt_assets.method.model_card",
    "resources.adapters",
    "resources.tuning",
    "resources.engines.loading",
)

FILES = (CONFIG, WEIGHTS, LOSS_FILE, CARD_FILE)
LOSS_OFF = 0.01
"""Share by which the first loss may differ on another device: bfloat16 keeps three digits."""
LOADS = "attached"


def measure(subject: Subject) -> dict[str, Values]:
    """Files, tensors, settings and losses, and what the adapter does to its base."""
    import polars as pl

    tensors = _tensors(subject)
    effect = _effect(subject)
    said = {
        "of": "adapter",
        "change": effect.change,
        "complaint": effect.complaint or LOADS,
        "learned": effect.base_loss - effect.tuned_loss,
        "outward": max((one["largest"] for one in tensors if "lora_B" in one["tensor"]), default=0),
    }
    types = {"tensor": pl.String, "rank": pl.Int64, "not finite": pl.Int64, "largest": pl.Float64}
    return {
        "files": Values(_files(subject, len(tensors)), ("file",)),
        "tensors": Values(pl.DataFrame(tensors, schema=types), ("tensor",)),
        "settings": Values(_settings(subject, effect), ("setting",)),
        "losses": Values(_losses(subject, effect.first_loss), ("of",)),
        "effect": Values(pl.DataFrame([said]), ("of",)),
    }


def suites(subject: Subject) -> dict[str, ExpectationSuite]:
    """What can be read, of which shape, and what it does."""
    adapter = recipe_of(subject).adapter
    return {
        "files": suite(
            "files",
            rows("files are listed", len(FILES)),
            among("file", FILES, "only the files of an adapter are there"),
            between("entries", 1, None, "every file is there and can be read"),
        ),
        "tensors": suite(
            "tensors",
            rows("weights were read"),
            between("not finite", 0, 0, "weights are finite numbers"),
            between("rank", adapter.rank, adapter.rank, "weights have the rank of the recipe"),
            between("largest", 1e-12, None, "no weight matrix is all zeros", WARNING),
        ),
        "settings": suite(
            "settings",
            rows("settings were compared"),
            equal("recorded", "wanted", "the settings and the card name base, recipe and data"),
        ),
        "losses": suite(
            "losses",
            rows("losses were measured", 1, 1),
            equal("losses", "steps", "every step has its loss"),
            equal("finite", "losses", "losses are finite and positive numbers"),
            between("first off", 0, LOSS_OFF, "the first loss is the base's on the first batch"),
        ),
        "effect": suite(
            "effect",
            rows("the adapter was tried", 1, 1),
            among("complaint", [LOADS], "the adapter can be attached to its base"),
            between("learned", 0, None, "the adapter lowers the loss on what it was tuned on"),
            between("change", 1e-9, None, "the adapter changes what the model says"),
            between("outward", 1e-12, None, "the adapter is not all zeros"),
        ),
    }


def _files(subject: Subject, tensors: int) -> pl.DataFrame:
    """Per file, how many entries could be read from it."""
    import polars as pl

    entries = {
        CONFIG: len(json_object(subject, CONFIG)),
        WEIGHTS: tensors,
        LOSS_FILE: len(_steps(subject)),
        CARD_FILE: len(_card(subject)),
    }
    names = sorted({*FILES, *subject.record.files})
    return pl.DataFrame({"file": names, "entries": [entries.get(name, 1) for name in names]})


def _tensors(subject: Subject) -> list[dict[str, Any]]:
    """Every tensor in numbers; none where the file is not there or cannot be read."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    if WEIGHTS not in subject.record.files:
        return []
    try:
        tensors = load(subject.file(WEIGHTS))
    except (SafetensorError, ValueError, KeyError):
        return []
    return [
        {
            "tensor": name,
            "rank": int(tensor.shape[1 if "lora_B" in name else 0]) if tensor.dim() == 2 else 0,
            "not finite": int((~torch.isfinite(tensor)).sum()),
            "largest": float(torch.nan_to_num(tensor.float()).abs().max()),
        }
        for name, tensor in sorted(tensors.items())
    ]


def _settings(subject: Subject, effect: Effect) -> pl.DataFrame:
    """The adapter's configuration and its base's files, each beside what they should be."""
    import polars as pl

    settings = recipe_of(subject).adapter
    manifest = json.loads(subject.store.read(subject.parent("base_model"), MANIFEST))
    linear = effect.linear if settings.targets == "all-linear" else ("q_proj", "v_proj")
    wanted = {
        "base_model_name_or_path": manifest["source"],
        "revision": manifest["revision"],
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": settings.rank,
        "lora_alpha": settings.alpha,
        "lora_dropout": 0.0,
        "target_modules": linear,
        "bias": "none",
        "modules_to_save": None,
    }
    config = json_object(subject, CONFIG)
    compared = [(name, text_of(config, name), text_of(wanted, name)) for name in wanted]
    files, material = manifest["files"], subject.record.materials
    compared.append((CARD_FILE, _card(subject), _card_due(subject)))
    compared += [
        (f"base file {name}", material.get(name, ABSENT), files.get(name, ABSENT))
        for name in sorted({*files, *material})
    ]
    return pl.DataFrame(compared, schema=["setting", "recorded", "wanted"], orient="row")


def _training_set(subject: Subject) -> pl.DataFrame:
    return subject.parent_frame(f"{subject.step.variant}/training_set").sort("sequence_id")


def _card(subject: Subject) -> str:
    """The model card; empty if there is none."""
    found = CARD_FILE in subject.record.files
    return subject.file(CARD_FILE).decode("utf-8", "replace") if found else ""


def _card_due(subject: Subject) -> str:
    """The card that the statement's inputs give."""
    variant, losses = str(subject.step.variant), _steps(subject)
    if not losses:  # told by the losses' own suite
        return _card(subject)
    content = subject.parent(f"{variant}/training_set").content
    model = subject.services.model_files(subject.own["model"])
    # Where the study leaves the arithmetic to the device, it is that of the device it was tuned on.
    model = replace(model, dtype=str(subject.record.parameters.get("dtype", model.dtype)))
    facts = card_facts(subject.study, variant, model, _training_set(subject), content, losses)
    return adapter_card(facts)


def _steps(subject: Subject) -> list[float]:
    """The recorded losses; what is not a number counts as one that is not finite."""
    found = json_object(subject, LOSS_FILE).get("losses")
    if not isinstance(found, list):
        return []
    return [float(one) if isinstance(one, int | float) else math.nan for one in found]


def _losses(subject: Subject, first: float) -> pl.DataFrame:
    """How many losses there are, and how far the first is off."""
    import polars as pl

    losses = _steps(subject)
    finite = [one for one in losses if math.isfinite(one) and one > 0]
    return pl.DataFrame(
        {
            "of": ["training"],
            "losses": [len(losses)],
            "steps": [recipe_of(subject).adapter.steps],
            "finite": [len(finite)],
            "first off": [abs(finite[0] / first - 1) if finite else math.inf],
        }
    )


def _effect(subject: Subject) -> Effect:
    """Base and adapter run on the sequences the adapter was trained on."""
    sequences = training_rows(_training_set(subject))
    services = subject.services
    services.free_device()
    with TemporaryDirectory() as name:
        folder = Path(name)
        for file in subject.record.files:
            (folder / Path(file).name).write_bytes(subject.file(file))
        effect = measure_effect(
            services.model_files(subject.own["model"]),
            folder,
            sequences,
            recipe_of(subject).adapter,
            services.device(),
        )
    release(services.device())
    return effect
