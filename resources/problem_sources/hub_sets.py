"""The files of a hub data set, at one commit, as rows by split.

The library's own way to a hub set answers from *any* cached revision when the hub cannot be
reached, and asks the hub even when all is here. So files are had through ``resources.hub``, which
does neither, and the library reads them from their folder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mitt_assets.errors import DataError, StudyError
from resources import hub

Fields = Mapping[str, Any]

_DESCRIBED = ("README.md", ".huggingface.yaml")
_PATTERNS = (
    "*.parquet",
    "*.jsonl",
    "*.json",
    "*.csv",
    "*.jsonl.gz",
    "*.json.gz",
    "*.csv.gz",
    "*.jsonl.zst",
    *_DESCRIBED,
)
"""What a problem set consists of; pictures, weights and scripts are never fetched."""

_SHARD = re.compile(r"(.*)-(\d{5})-of-(\d{5})(\..*)")


def folder_of(source: str, revision: str | None, place: str) -> Path:
    """The folder of a set: a local one, or the set's files at its commit.

    Raises DataError if it cannot be had.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        if not any(path.name not in _DESCRIBED for path in data_files(folder)):
            raise DataError(
                f"{place}: {source} is a folder without data files; put some there (.parquet,"
                f" .jsonl, .json or .csv), or name another source"
            )
        return folder
    if not hub.is_repository(source):
        raise DataError(
            f"{place}: {source!r} is no file or folder here and no hub id (owner/name); mend"
            f" problems.source, or run from the folder it is relative to"
        )
    return hub.snapshot(
        "dataset", source, revision, place=place, patterns=_PATTERNS, lacking=lacking
    )


def data_files(folder: Path) -> list[Path]:
    """The files of a set in a folder, as they would be fetched from the hub."""
    return sorted({path for pattern in _PATTERNS for path in folder.rglob(pattern)})


def lacking(folder: Path) -> list[str]:
    """Shards that the names of others promise (``train-00001-of-00002.parquet``)."""
    names = [p.relative_to(folder).as_posix() for p in sorted(folder.rglob("*-of-*"))]
    sets: dict[tuple[str, str, str], set[int]] = {}
    for match in filter(None, map(_SHARD.fullmatch, names)):
        stem, number, total, ending = match.groups()
        sets.setdefault((stem, total, ending), set()).add(int(number))
    return [
        f"{stem}-{number:05d}-of-{total}{ending}"
        for (stem, total, ending), found in sets.items()
        for number in range(int(total))
        if number not in found
    ]


def read_splits(
    folder: Path, source: str, config: str | None, names: Sequence[str], split: str
) -> dict[str, list[Fields]]:
    """The rows of the named splits; without names the set must have exactly one.

    ``split`` is the study's, for errors. Raises DataError for what the library cannot read, and
    StudyError if the set has several splits and none is named.
    """
    import datasets

    place = place_of(source, config, None)
    if missing := lacking(folder):
        raise DataError(
            f"{place}: {missing[0]} is missing in {folder} ({len(missing)} in all); fetch the set"
            f" again"
        )
    datasets.disable_progress_bars()
    try:
        found = datasets.load_dataset(str(folder), config)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise DataError(
            f"{place}: cannot be read: {_cause(error)}. Mend the set, problems.source or"
            f" problems.columns.configs"
        ) from error
    unknown = [name for name in names if name not in found]
    if unknown:
        raise DataError(
            f"{place}: no split {', '.join(unknown)}; there are {', '.join(found)}. Mend"
            f" problems.{split}.names"
        )
    if not names and len(found) != 1:
        raise StudyError(
            f"problems.{split}.names: {place} has the splits {', '.join(found)}; say which to use"
        )
    return {name: list(found[name]) for name in names or found}


def place_of(source: str, config: str | None, name: str | None) -> str:
    """Source, configuration and split of the source, as errors name them."""
    parts = [source, f"configuration {config}" if config else "", f"split {name}" if name else ""]
    return ", ".join(part for part in parts if part)


def _cause(error: BaseException) -> str:
    """What went wrong at the bottom: the library wraps it in words of its own."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2]) or type(error).__name__
