"""The graph: every step, its inputs, what it reads of the study, and the code that makes it.

One declaration serves Dagster's definitions, ``mitt run``, staleness and lineage. Deriving these
from Dagster's own objects would tie them to features whose answers end at a hundred partitions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mitt_assets import partitions
from mitt_assets.errors import StudyError
from mitt_assets.partitions import Dimensions
from mitt_assets.study import Study
from mitt_assets.study_file import slice_of

if TYPE_CHECKING:
    from mitt_assets.work import Product, Work

OWN = "="
"""Stands for the partition's own value among the values an input is taken from."""
QUESTIONS = ("problems", "translations")
"""Inputs of a report that are questions, not results."""


@dataclass(frozen=True)
class Input:
    """An asset a step reads, and which of its partitions.

    ``languages`` and ``models`` name the partitions taken; OWN is the reading partition's own.
    An input that is not ``required`` is read where it exists (reports).
    """

    asset: str
    name: str
    languages: tuple[str, ...] = (OWN,)
    models: tuple[str, ...] = (OWN,)
    required: bool = True


@dataclass(frozen=True)
class Step:
    """One asset: how it is partitioned, made and described.

    ``settings`` are dotted study keys; ``{language}`` and ``{model}`` come from the partition.
    ``code`` names the modules (beside the framework) whose change makes the asset stale, and
    ``outside`` gives digests of what a partition (named by its values) reads that no asset holds:
    the user's own files.
    """

    asset: str
    dimensions: Dimensions
    make: Callable[[Work], Product]
    text: str
    group: str
    code: tuple[str, ...]
    inputs: tuple[Input, ...] = ()
    settings: tuple[str, ...] = ()
    table: str | None = None
    variant: str | None = None
    gpu: bool = False
    outside: Callable[[Study, Mapping[str, str]], Mapping[str, str]] | None = None

    @property
    def takes_what_there_is(self) -> bool:
        """Whether it requires none of its inputs: a report."""
        return bool(self.inputs) and not any(one.required for one in self.inputs)


class Graph:
    """All steps of a study, in dependency order."""

    def __init__(self, study: Study, steps: Iterable[Step]) -> None:
        self.study = study
        self.steps = {step.asset: step for step in steps}
        seen: set[str] = set()
        for step in self.steps.values():
            unknown = [one.asset for one in step.inputs if one.asset not in seen]
            if unknown:
                raise ValueError(f"{step.asset} reads {unknown[0]}, which is not made before it")
            seen.add(step.asset)

    def step(self, asset: str) -> Step:
        """The step of an asset. Raises StudyError naming the assets there are."""
        if asset not in self.steps:
            raise StudyError(f"no asset {asset!r}; there are: {', '.join(self.steps)}")
        return self.steps[asset]

    def partitions(self, asset: str) -> list[str | None]:
        """All partitions of an asset."""
        return partitions.keys(self.study, self.step(asset).dimensions)

    def require(self, asset: str, partition: str | None) -> None:
        """Refuse what is no partition of an asset. Raises StudyError naming those there are."""
        known = self.partitions(asset)
        if partition in known:
            return
        if known == [None]:
            raise StudyError(f"{asset} has no partitions, and so no {partition!r}; name none")
        some = ", ".join(map(str, known))
        if partition is None:
            raise StudyError(f"{asset} has several partitions; name one of them: {some}")
        raise StudyError(f"{asset} has no partition {partition!r}; name one of them: {some}")

    def inputs(self, asset: str, partition: str | None) -> dict[str, list[tuple[str, str | None]]]:
        """Per input name, the (asset, partition) pairs a partition reads."""
        step = self.step(asset)
        own = partitions.parse(step.dimensions, partition)
        return {
            one.name: [(one.asset, key) for key in self._taken(one, own)] for one in step.inputs
        }

    def _taken(self, one: Input, own: Mapping[str, str]) -> list[str | None]:
        dimensions = self.step(one.asset).dimensions
        taken = {"language": one.languages, "model": one.models}
        wanted = {
            dimension: {own.get(dimension, OWN) if v == OWN else v for v in taken[dimension]}
            for dimension in dimensions
        }
        return [
            key
            for key in partitions.keys(self.study, dimensions)
            if all(
                value in wanted[name] or wanted[name] == {OWN}
                for name, value in partitions.parse(dimensions, key).items()
            )
        ]

    def settings(self, asset: str, partition: str | None) -> list[str]:
        """The study keys a partition reads."""
        step = self.step(asset)
        own = partitions.parse(step.dimensions, partition)
        return [path.format(**own) for path in step.settings]

    def slice(self, asset: str, partition: str | None) -> dict[str, Any]:
        """The study values a partition reads, by dotted key, and the digests of outside files."""
        step = self.step(asset)
        own = partitions.parse(step.dimensions, partition)
        files = step.outside(self.study, own) if step.outside else {}
        return {**slice_of(self.study, self.settings(asset, partition)), **files}

    @cached_property
    def all_partitions(self) -> list[tuple[str, str | None]]:
        """Every (asset, partition) in dependency order."""
        return [(asset, key) for asset in self.steps for key in self.partitions(asset)]
