"""Partitions: ``language``, ``model`` and ``language|model``, static, from the study.

A partition is named by the string Dagster uses: dimension values in alphabetical order of the
dimensions' names, joined by ``|``. An unpartitioned asset has the partition ``None``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

from mitt_assets.errors import StudyError
from mitt_assets.study import Study

Dimensions = tuple[str, ...]
NONE: Dimensions = ()
LANGUAGE: Dimensions = ("language",)
MODEL: Dimensions = ("model",)
LANGUAGE_MODEL: Dimensions = ("language", "model")


def values(study: Study, dimension: str) -> tuple[str, ...]:
    """What a dimension's values are in this study, in the study's order."""
    return tuple(study.languages if dimension == "language" else study.models)


def keys(study: Study, dimensions: Dimensions) -> list[str | None]:
    """All partitions of an asset with these dimensions (``[None]`` if it has none)."""
    if not dimensions:
        return [None]
    combinations = product(*(values(study, dimension) for dimension in dimensions))
    return ["|".join(combination) for combination in combinations]


def parse(dimensions: Dimensions, key: str | None) -> dict[str, str]:
    """Dimension values of a partition's name.

    Raises StudyError if the name has another number of parts than the asset has dimensions.
    """
    parts = key.split("|") if key else []
    if len(parts) != len(dimensions):
        wanted = "|".join(dimensions) or "no partition"
        raise StudyError(f"partition {key!r}: expected {wanted}")
    return dict(zip(dimensions, parts, strict=True))


def join(dimensions: Dimensions, chosen: Mapping[str, str]) -> str | None:
    """The partition's name from its dimension values."""
    return "|".join(chosen[dimension] for dimension in dimensions) or None


def matches(
    dimensions: Dimensions, key: str | None, languages: Sequence[str], models: Sequence[str]
) -> bool:
    """Whether a partition is within a selection; an empty selection means everything."""
    chosen = parse(dimensions, key)
    wanted = {"language": languages, "model": models}
    return all(not wanted[name] or value in wanted[name] for name, value in chosen.items())
