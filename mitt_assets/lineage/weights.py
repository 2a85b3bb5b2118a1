"""Files of models, encoders and adapters: what each is by sha256, and where it lies here.

Nothing is fetched and nothing hashed: `sha256sum` on the path is the reader's own proof.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mitt_assets.lineage.rows import table_of
from mitt_assets.lineage.statement import Record, label
from mitt_assets.lineage.store import Store

_MANIFEST = "manifest.json"
_EMBEDDED = "organism"


@dataclass(frozen=True)
class WeightFile:
    """One file: which partition records it, its name there, its sha256, its path if it is here."""

    record: str
    name: str
    sha256: str
    path: str | None


def weight_files(store: Store, record: Record) -> list[WeightFile]:
    """The files behind a model, an encoder or an adapter; nothing for tables and reports."""
    if record.asset.startswith("reports/") or table_of(record.asset) is not None:
        return []
    place = label(record.asset, record.partition)
    if _MANIFEST not in record.files:
        paths = {name: store.storage.local_path(digest) for name, digest in record.files.items()}
        return _listed(place, record.files, paths)
    manifest = json.loads(store.read(record, _MANIFEST))
    source, revision = str(manifest["source"]), manifest["revision"]
    paths = {name: _found(source, revision, name) for name in manifest["files"]}
    return _listed(place, manifest["files"], paths)


def _listed(
    place: str, files: Mapping[str, str], paths: Mapping[str, Path | None]
) -> list[WeightFile]:
    return [
        WeightFile(place, name, sha256, str(path) if (path := paths[name]) else None)
        for name, sha256 in sorted(files.items())
    ]


def _found(source: str, revision: str | None, name: str) -> Path | None:
    """Where a file of a source lies on this machine, None if it does not."""
    folder = _folder(source)
    if folder is not None:
        return folder / name if (folder / name).is_file() else None
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(source, name, revision=revision)
    return Path(cached) if isinstance(cached, str) else None


def _folder(source: str) -> Path | None:
    """The folder of an embedded checkpoint or of a path; None for what a hub holds."""
    from mitt_assets.organism import SLUGS, checkpoint_path, encoder_path

    slug = source.removeprefix(f"{_EMBEDDED}:")
    if source == _EMBEDDED:
        return encoder_path()
    if slug != source:
        return checkpoint_path(slug) if slug in SLUGS else None
    folder = Path(source).expanduser()
    return folder if folder.is_dir() else None
