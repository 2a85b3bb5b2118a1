"""Models and the encoder as manifests: id, revision, sha256 of each file; never the weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mitt_assets.errors import IntegrityError
from mitt_assets.lineage import canonical
from mitt_assets.work import Product, Work
from resources.engines.serving import check_folder, check_vocabulary
from resources.services import needs_weights

if TYPE_CHECKING:
    from resources.engines.base import ModelFiles, TraceEngine

MANIFEST = "manifest.json"


def make_base_model(work: Work) -> Product:
    """Resolve a model's files on this machine, see that they can serve, record what they are."""
    model = work.services.model_files(work.own["model"])
    if needs_weights(work.study):
        check_folder(model)
    tokenizer = work.services.tokenizer(model)
    check_vocabulary(model, tokenizer.vocabulary_size)
    manifest = {
        "slug": model.slug,
        "source": model.source,
        "revision": model.revision,
        "dtype": work.study.models[model.slug].dtype,  # as asked; the device's is in statements
        "files": dict(model.files),
        "vocabulary": tokenizer.vocabulary_size,
    }
    return Product(
        files={MANIFEST: canonical.encode(manifest)},
        materials=dict(model.files),
        metadata={"source": model.source, "files": len(model.files)},
    )


def make_sentence_encoder(work: Work) -> Product:
    """Resolve the sentence encoder's files and record what they are."""
    encoder = work.services.encoder()
    settings = work.study.encoder
    manifest = {
        "source": settings.source,
        "revision": settings.revision,
        "dimension": encoder.dimension,
        "files": dict(encoder.files),
    }
    return Product(
        files={MANIFEST: canonical.encode(manifest)},
        materials=dict(encoder.files),
        metadata={"source": settings.source, "dimension": encoder.dimension},
    )


def verified_model(work: Work) -> ModelFiles:
    """The model of this partition, its files equal to those in the manifest.

    Raises IntegrityError naming the first file that is not what was recorded.
    """
    manifest = json.loads(work.file("base_model", MANIFEST))
    model = work.services.model_files(str(manifest["slug"]))
    what = f"model {model.slug} ({model.source})"
    _same_files(manifest["files"], model.files, what, f"base_model --model {model.slug}")
    return model


def make_translator(work: Work) -> Product:
    """Resolve the translating model's files and record what they are."""
    files = work.services.translator_files()
    settings = work.study.translation
    manifest = {
        "source": settings.source,
        "revision": settings.revision,
        "dtype": settings.dtype,
        "files": dict(files.files),
    }
    return Product(
        files={MANIFEST: canonical.encode(manifest)},
        materials=dict(files.files),
        metadata={"source": settings.source, "files": len(files.files)},
    )


def verified_translator(work: Work) -> None:
    """Raises IntegrityError if the translating model's files are not those in the manifest."""
    manifest = json.loads(work.file("translator", MANIFEST))
    files = work.services.translator_files().files
    _same_files(manifest["files"], files, "the translator", "translator")


def verified_encoder(work: Work) -> None:
    """Raises IntegrityError if the encoder's files are not those in the manifest."""
    manifest = json.loads(work.file("sentence_encoder", MANIFEST))
    files = work.services.encoder().files
    _same_files(manifest["files"], files, "the sentence encoder", "sentence_encoder")


def adapter_folder(work: Work) -> Path | None:
    """The adapter of this partition's variant, if it has one."""
    return work.folder("adapter") if work.has("adapter") else None


def loaded_engine(work: Work, model: ModelFiles) -> TraceEngine:
    """The study's engine with this partition's model and adapter; who watches hears of the wait."""
    engine = work.services.engine()
    engine.tell_waits(work.waiting)
    work.waiting(f"{model.slug} to load")
    engine.load(model, adapter_folder(work))
    return engine


def _same_files(
    recorded: Mapping[str, str], now: Mapping[str, str], what: str, selection: str
) -> None:
    for name in sorted({*recorded, *now}):
        if recorded.get(name) != now.get(name):
            raise IntegrityError(
                f"{what}: file {name} is {now.get(name, 'absent')}, but was recorded as"
                f" {recorded.get(name, 'absent')}. Put the file back, or accept it with:"
                f" mitt run --force --select {selection}"
            )
