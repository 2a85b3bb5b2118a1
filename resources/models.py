"""Where the files of a model are on this machine, and what they are, by sha256."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from mitt_assets import study
from mitt_assets.errors import ModelError
from resources import hub
from resources import weights as stored
from resources.engines.base import ModelFiles

ORGANISM = "organism"

# What a model consists of; anything else in a folder (notes, records, other formats) is not part
# of it, and may change without changing what the model does.
_WEIGHTS = ("*.safetensors", "*.safetensors.index.json")
_PATTERNS = (
    *_WEIGHTS,
    "config.json",
    "generation_config.json",
    "tokenizer*.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.json",
    "vocab.json",
    "merges.txt",
    "*.jinja",
    "*.model",
    # Of sentence encoders, whose modules lie in folders of their own.
    "modules.json",
    "*/config.json",
    "config_sentence_transformers.json",
    "sentence_*_config.json",
    "vocab.txt",
)


def resolve(slug: str, model: study.Model, cache: Path, *, weights: bool = True) -> ModelFiles:
    """The files of ``model``, found in the organism, in a folder or in the hub's local cache.

    ``cache`` is a folder for file digests. Without ``weights`` only what a tokenizer needs is had
    and recorded: somebody else serves the model. Raises ModelError if there is no such model.
    """
    place = f"models.{slug}.source"
    folder, files = resolved(model.source, model.revision, place, cache, weights=weights)
    return ModelFiles(slug, model.source, model.revision, model.dtype, folder, files)


def resolved(
    source: str, revision: str | None, place: str, cache: Path | None, *, weights: bool
) -> tuple[Path, dict[str, str]]:
    """A model's folder, as ``locate`` finds it, and sha256 of the files there that are read.

    Without ``weights`` none of those is among them, though they may lie there. Raises ModelError.
    """
    folder = locate(source, revision, place, weights=weights)
    files = digests(folder, cache)
    if not weights:
        files = {name: one for name, one in files.items() if not name.endswith(".safetensors")}
    return folder, files


def locate(source: str, revision: str | None, place: str, *, weights: bool = True) -> Path:
    """The folder of ``organism:<checkpoint>``, of a path, or of a hub id (fetched if missing).

    ``place`` is the study key that errors name. Raises ModelError.
    """
    if source.startswith(f"{ORGANISM}:"):
        return _organism_folder(source.partition(":")[2], place)
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder.resolve()
    if not hub.is_repository(source):
        raise ModelError(
            f"{place}: {source!r} is no folder here and no hub id (owner/name): mend the study file"
        )
    patterns = [one for one in _PATTERNS if weights or one not in _WEIGHTS]
    lacking = stored.lacking if weights else _no_config
    return hub.snapshot("model", source, revision, place=place, patterns=patterns, lacking=lacking)


def here(source: str, revision: str | None, place: str) -> Path | None:
    """The folder of a model that is whole on this machine; None where it would be fetched.

    Raises ModelError for what is neither a folder nor a hub id.
    """
    if not hub.is_repository(source):
        return locate(source, revision, place)
    return hub.here("model", source, revision, patterns=_PATTERNS, lacking=stored.lacking)


def _no_config(folder: Path) -> list[str]:
    return [name for name in ("config.json", "tokenizer.json") if not (folder / name).is_file()]


def digests(folder: Path, cache: Path | None) -> dict[str, str]:
    """sha256 of each file of a model in ``folder``, by its path there.

    Hashing gigabytes takes minutes, so a digest is kept in ``cache`` for as long as the file's
    path, size and modification time (nanoseconds) are the same. Without ``cache`` all are computed.
    """
    kept_in = cache / "file_digests.json" if cache else None
    known = _read_json(kept_in) if kept_in else {}
    found: dict[str, str] = {}
    keys: dict[str, str] = {}
    for path in files_of(folder):
        name = path.relative_to(folder).as_posix()
        keys[name] = _state(path)
        found[name] = known.get(keys[name]) or _sha256(path)
    fresh = {keys[name]: found[name] for name in found if keys[name] not in known}
    if kept_in and fresh:
        _write_json(kept_in, _read_json(kept_in) | fresh)
    return found


def files_of(folder: Path) -> list[Path]:
    """The files in ``folder`` that a model consists of."""
    paths = {path for pattern in _PATTERNS for path in folder.rglob(pattern)}
    return sorted(p for p in paths if p.is_file() and not _hidden(p.relative_to(folder)))


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _state(path: Path) -> str:
    status = path.stat()
    return f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _organism_folder(name: str, place: str) -> Path:
    from mitt_assets.organism import checkpoint_path

    try:
        folder = checkpoint_path(name)
    except KeyError as problem:
        raise ModelError(f"{place}: {problem.args[0]}") from problem
    if not folder.is_dir():
        raise ModelError(
            f"{place}: the embedded checkpoint {name!r} is not in this installation ({folder}): "
            "install the package again"
        )
    return folder


def _read_json(path: Path) -> dict[str, str]:
    """What is kept; nothing if the file is absent or was cut short, for it can be made again."""
    if not path.is_file():
        return {}
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return dict(kept) if isinstance(kept, dict) else {}


def _write_json(path: Path, content: Mapping[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(content, indent=0, sort_keys=True), encoding="utf-8")
    partial.replace(path)
