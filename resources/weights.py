"""What a folder's safetensors files hold, read from their headers alone: no tensor is loaded.

A file is eight bytes with the length of a JSON header, the header (each tensor's type, shape and
place), and the tensors' bytes. So a file that was cut off shows without being hashed.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mitt_assets.errors import ModelError

INDEX = "model.safetensors.index.json"
_LONGEST_HEADER = 100_000_000
"""Bytes: the format's own limit."""


@dataclass(frozen=True)
class Header:
    """One file's tensors: shape and type by name, and the bytes the whole file must have."""

    shapes: dict[str, tuple[int, ...]]
    types: dict[str, str]
    bytes: int

    @cached_property
    def parameters(self) -> int:
        """Numbers in all tensors together."""
        return sum(math.prod(shape) for shape in self.shapes.values())


def read_header(path: Path) -> Header | None:
    """The header of a safetensors file; None if it is cut off within, or no such header."""
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 0 < length <= _LONGEST_HEADER:
            return None
        text = file.read(length)
    try:
        tensors: dict[str, dict[str, Any]] = json.loads(text)
        tensors.pop("__metadata__", None)
        shapes = {name: tuple(map(int, one["shape"])) for name, one in tensors.items()}
        types = {name: str(one["dtype"]) for name, one in tensors.items()}
        end = max((int(one["data_offsets"][1]) for one in tensors.values()), default=0)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return None
    return Header(shapes, types, 8 + length + end)


def damaged(path: Path) -> str | None:
    """What is wrong with a safetensors file, in words; None if it is whole."""
    if not path.is_file():
        return "missing"
    header = read_header(path)
    if header is None:
        return "cut off within its header, or no safetensors file"
    size = path.stat().st_size
    return None if size == header.bytes else f"{size:,} of {header.bytes:,} bytes"


def shards(folder: Path) -> list[str]:
    """Names of a model's weight files: those its index names, else the one or few that are there.

    Raises ModelError if the index cannot be read.
    """
    index = folder / INDEX
    if not index.is_file():
        return sorted(path.name for path in folder.glob("*.safetensors"))
    try:
        return sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError) as problem:
        raise ModelError(
            f"{index}: not an index of weights ({problem}); fetch the model again"
        ) from problem


def lacking(folder: Path) -> list[str]:
    """Weight files that are missing or cut off, each with what is wrong.

    Where the folder itself holds none (a sentence encoder's modules have folders of their own),
    all below it count.
    """
    below = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.safetensors"))
    names = shards(folder) or below or ["model.safetensors"]
    wrong = {name: damaged(folder / name) for name in names}
    return [f"{name} ({why})" for name, why in wrong.items() if why]


def parameters(folder: Path) -> int:
    """How many numbers a whole model's weight files hold."""
    return sum(header.parameters for header in _headers(folder))


def _headers(folder: Path) -> Iterable[Header]:
    for name in shards(folder):
        header = read_header(folder / name)
        if header is not None:
            yield header
