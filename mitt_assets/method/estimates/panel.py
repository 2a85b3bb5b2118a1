"""Conditions by problems: the shape in which every estimate is resampled.

A condition is a model, a variant and a language. Rows of any table are summed into an array
(conditions, problems, points), from which means over any set of languages follow by adding and
dividing, with the same problems in the same places for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mitt_assets.errors import DataError
from mitt_assets.method.estimates.selection import Value
from mitt_assets.method.statistics import Floats
from mitt_assets.study import Study

ALL = "all"
CONDITION = ("model", "variant", "language")

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class View:
    """A condition, or all languages of a model and variant: which conditions are added up."""

    model: str
    variant: str
    language: str
    languages: tuple[str, ...]
    members: tuple[int, ...]

    def of(self, cells: Floats) -> Floats:
        """The cells (conditions, problems, K) of this view: (problems, K)."""
        total: Floats = cells[list(self.members)].sum(axis=0)
        return total

    def filter(self, **more: Value) -> dict[str, Value]:
        """The filter that selects the view's rows, and what narrows it down."""
        language: Value = self.language if self.language != ALL else list(self.languages)
        return {"model": self.model, "variant": self.variant, "language": language, **more}


@dataclass(frozen=True)
class Panel:
    """The conditions and problems there are, in the study's order and in order of id."""

    conditions: tuple[tuple[str, str, str], ...]
    problems: tuple[str, ...]

    @classmethod
    def of(cls, frame: pl.DataFrame, study: Study) -> Panel:
        """From any frame with model, variant, language and problem_id."""
        found = set(frame.select(CONDITION).unique().iter_rows())
        order = [
            (model, variant, language)
            for model in study.models
            for variant in study.variants
            for language in study.languages
        ]
        unknown = found - set(order)
        if unknown:
            raise DataError(f"rows of {sorted(unknown)[0]}, which the study does not declare")
        problems = frame["problem_id"].unique().sort().to_list()
        return cls(tuple(one for one in order if one in found), tuple(problems))

    def codes(self, frame: pl.DataFrame) -> Integers:
        """The cell of each row of ``frame``: condition number x problems + problem number."""
        conditions = pl.DataFrame(self.conditions, schema=CONDITION, orient="row")
        problems = pl.DataFrame({"problem_id": self.problems}, schema={"problem_id": pl.String})
        coded = (
            frame.select(*CONDITION, "problem_id")
            .join(conditions.with_row_index("c"), on=CONDITION, how="left", maintain_order="left")
            .join(problems.with_row_index("p"), on="problem_id", how="left", maintain_order="left")
        )
        code = coded["c"].cast(pl.Int64) * len(self.problems) + coded["p"].cast(pl.Int64)
        return code.to_numpy()

    def totals(self, codes: Integers, values: Floats) -> Floats:
        """Sums of ``values`` (rows, K) per cell: (conditions, problems, K)."""
        size = len(self.conditions) * len(self.problems)
        sums = np.zeros((size, values.shape[1]))
        for k in range(values.shape[1]):
            sums[:, k] = np.bincount(codes, weights=values[:, k], minlength=size)
        return sums.reshape(len(self.conditions), len(self.problems), values.shape[1])

    def totals_at(self, codes: Integers, at: Integers, width: int, values: Floats) -> Floats:
        """Sums of ``values`` (rows,) per cell and point ``at`` (rows,), as ``totals`` has them."""
        size = len(self.conditions) * len(self.problems) * width
        flat = np.zeros(size)
        flat += np.bincount(codes * width + at, weights=values, minlength=size)
        return flat.reshape(len(self.conditions), len(self.problems), width)

    def views(self, without: Iterable[str] = ()) -> list[View]:
        """Every condition, and per model and variant all languages but those ``without``."""
        views = []
        for model, variant in dict.fromkeys(one[:2] for one in self.conditions):
            languages = self.languages(model, variant)
            views += [self.view(model, variant, (one,)) for one in languages]
            pooled = tuple(one for one in languages if one not in without)
            if pooled:
                views.append(self.view(model, variant, pooled, ALL))
        return views

    def languages(self, model: str, variant: str) -> tuple[str, ...]:
        """The languages there are of a model and variant."""
        return tuple(one[2] for one in self.conditions if one[:2] == (model, variant))

    def view(
        self, model: str, variant: str, languages: Sequence[str], name: str | None = None
    ) -> View:
        """Some languages of a model and variant together."""
        members = [self.conditions.index((model, variant, one)) for one in languages]
        return View(model, variant, name or languages[0], tuple(languages), tuple(members))


def attach(rows: pl.DataFrame, traces: pl.DataFrame) -> pl.DataFrame:
    """``rows`` of a table keyed by trace with their trace's model, variant, language, problem.

    Raises DataError naming a trace that is not there.
    """
    columns = [*CONDITION, "problem_id"]
    known = traces.select("trace_id", *columns)
    bare = rows.drop(columns, strict=False)
    joined = bare.join(known, on="trace_id", how="left", maintain_order="left")
    lost = joined.filter(pl.col("model").is_null())
    if not lost.is_empty():
        raise DataError(f"trace {lost['trace_id'][0]} has rows but is not among the traces")
    return joined
