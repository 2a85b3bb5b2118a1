"""Collects estimates row by row into the estimates table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from mitt_assets.method.estimates.panel import View
from mitt_assets.method.estimates.selection import Value, filter_text
from mitt_assets.method.statistics import Estimated, Floats, Resampling
from mitt_assets.tables import ESTIMATES

_DECIMALS = 12
"""Sums of fractions may differ in the last bits between linear algebra libraries."""

Filter = Mapping[str, Value]


@dataclass(frozen=True)
class Label:
    """What a row is about: everything of its key but x, and the asset its rows are in."""

    measure: str
    model: str
    variant: str
    language: str
    source: str
    curve: str = ""
    axis: str = ""


@dataclass(frozen=True)
class Basis:
    """What an estimate rests on: problems and rows, one number for all points or one for each."""

    problems: Sequence[int]
    rows: Sequence[int]

    @classmethod
    def of(cls, denominators: Floats) -> Basis:
        """From numbers of rows (problems, K)."""
        return cls(
            [int(n) for n in np.count_nonzero(denominators, axis=0)],
            [int(n) for n in denominators.sum(axis=0)],
        )

    def at(self, index: int) -> tuple[int, int]:
        """Problems and rows of point ``index``."""
        last = min(index, len(self.rows) - 1)
        return self.problems[last], self.rows[last]


@dataclass
class Points:
    """Rows of the estimates table, and the resampling that gives their intervals."""

    resampling: Resampling
    _rows: list[tuple[object, ...]] = field(default_factory=list)

    def add(
        self,
        label: Label,
        estimated: Estimated,
        basis: Basis,
        filters: Sequence[Filter],
        xs: Sequence[float | None] = (None,),
    ) -> None:
        """One row per point of ``estimated``, with its x and its filter."""
        self.add_bounded(label, self.bounded(estimated), basis, filters, xs)

    def bounded(self, estimated: Estimated) -> Floats:
        """Estimate, low and high of each point: (K, 3)."""
        return np.column_stack([estimated.value, *self.resampling.interval(estimated)])

    def add_bounded(
        self,
        label: Label,
        bounded: Floats,
        basis: Basis,
        filters: Sequence[Filter],
        xs: Sequence[float | None],
    ) -> None:
        """As ``add``, for intervals that are known already."""
        for k, (x, filter_) in enumerate(zip(xs, filters, strict=True)):
            self._rows.append(
                (
                    label.measure,
                    label.model,
                    label.variant,
                    label.language,
                    label.curve,
                    label.axis,
                    None if x is None else round(float(x), _DECIMALS),
                    *(_number(value) for value in bounded[k]),
                    *basis.at(k),
                    label.source,
                    filter_text(dict(filter_)),
                )
            )

    def frame(self) -> pl.DataFrame:
        """The estimates table, in the order the rows were added."""
        return pl.DataFrame(self._rows, schema=ESTIMATES.schema(), orient="row")


def label_of(measure: str, view: View, table: str, curve: str = "", axis: str = "") -> Label:
    """The label of a measure of one view."""
    source = f"{view.variant}/{table}"
    return Label(measure, view.model, view.variant, view.language, source, curve, axis)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), _DECIMALS)
