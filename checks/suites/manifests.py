"""Manifests name the files that are on this machine, by digest, as the study asks for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from checks.subject import Subject, Values
from checks.suites.rules import between, equal, rows, suite
from mitt_assets.assets.models import MANIFEST
from resources.services import needs_weights, translator_needs_weights

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

SETTINGS = (
    "models",
    "encoder",
    "engine.name",
    "translation.method",
    "translation.source",
    "translation.revision",
)
CODE = ("checks.suites.rules", "resources.models", "resources.encoders")

ABSENT = "absent"
NOT_READ = "not read: a server has the model"
SHA256 = r"^[0-9a-f]{64}$"
WEIGHTS = ".safetensors"


def measure(subject: Subject) -> dict[str, Values]:
    """Each setting and each file of the manifest beside what is here."""
    import polars as pl

    manifest = json_object(subject, MANIFEST)
    kinds = {"base_model": _model, "sentence_encoder": _encoder, "translator": _translator}
    expected, here = kinds[subject.record.asset](subject)
    files = manifest.get("files")
    recorded: Mapping[str, Any] = files if isinstance(files, dict) else {}
    material, due = subject.record.materials, _weights_due(subject)
    settings = [
        {"setting": name, "recorded": text_of(manifest, name), "wanted": text_of(expected, name)}
        for name in dict.fromkeys([*expected, *(manifest.keys() - {"files"})])
    ]
    listed = [
        {
            "file": name,
            "recorded": str(recorded.get(name, ABSENT)),
            "here": here.get(name, ABSENT if due or not name.endswith(WEIGHTS) else NOT_READ),
            "in the statement": material.get(name, ABSENT),
        }
        for name in sorted({*recorded, *here})
    ]
    names = ("file", "recorded", "here", "in the statement")
    weights = sum(name.endswith(WEIGHTS) for name in recorded)
    counts = {"of": "manifest", "entries": len(manifest), "weight files": weights}
    return {
        "manifest": Values(pl.DataFrame([counts]), ("of",)),
        "settings": Values(pl.DataFrame(settings), ("setting",)),
        "files": Values(pl.DataFrame(listed, schema=dict.fromkeys(names, pl.String)), ("file",)),
    }


def suites(subject: Subject) -> dict[str, ExpectationSuite]:
    """The manifest can be read, says what the study says, and its files are those here."""
    import great_expectations.expectations as gxe

    weights = (
        between("weight files", 1, None, "there is a file of weights")
        if _weights_due(subject)
        else between("weight files", 0, 0, "no weights are listed: a server has the model")
    )
    return {
        "manifest": suite(
            "manifest",
            rows("the manifest was measured", 1, 1),
            between("entries", 1, None, "the manifest is a JSON object with entries"),
            weights,
        ),
        "settings": suite(
            "settings",
            rows("settings were compared"),
            equal("recorded", "wanted", "the manifest says what the study and the files say"),
        ),
        "files": suite(
            "files",
            rows("files are listed"),
            gxe.ExpectColumnValuesToMatchRegex(
                column="recorded", regex=SHA256, notes="every file has a sha256"
            ),
            equal("recorded", "here", "files are those on this machine now"),
            equal("recorded", "in the statement", "the statement names the same files"),
        ),
    }


def _weights_due(subject: Subject) -> bool:
    """Whether weights are read here, and so must be listed; else somebody serves the model."""
    due = {"base_model": needs_weights, "translator": translator_needs_weights}
    asset = subject.record.asset
    return due[asset](subject.study) if asset in due else True


def json_object(subject: Subject, name: str) -> dict[str, Any]:
    """A JSON object among the partition's files; empty if it is not there or no such thing."""
    if name not in subject.record.files:
        return {}
    try:
        found = json.loads(subject.file(name))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def text_of(values: Mapping[str, Any], name: str) -> str:
    """One value as canonical text, lists in order of their members; ``absent`` if not there."""
    if name not in values:
        return ABSENT
    value = values[name]
    plain = sorted(map(str, value)) if isinstance(value, list | tuple | set) else value
    return json.dumps(plain, sort_keys=True, ensure_ascii=False)


def _model(subject: Subject) -> tuple[dict[str, Any], Mapping[str, str]]:
    """What a model's manifest should say, and the digests of its files now."""
    slug = subject.own["model"]
    settings, model = subject.study.models[slug], subject.services.model_files(slug)
    return {
        "slug": slug,
        "source": settings.source,
        "revision": settings.revision,
        "dtype": settings.dtype,
        "vocabulary": subject.services.tokenizer(model).vocabulary_size,
    }, model.files


def _encoder(subject: Subject) -> tuple[dict[str, Any], Mapping[str, str]]:
    """What the encoder's manifest should say, and the digests of its files now."""
    settings, encoder = subject.study.encoder, subject.services.encoder()
    expected = {
        "source": settings.source,
        "revision": settings.revision,
        "dimension": encoder.dimension,
    }
    return expected, encoder.files


def _translator(subject: Subject) -> tuple[dict[str, Any], Mapping[str, str]]:
    """What the translating model's manifest should say, and the digests of its files now."""
    settings = subject.study.translation
    expected = {
        "source": settings.source,
        "revision": settings.revision,
        "dtype": settings.dtype,
    }
    return expected, subject.services.translator_files().files
