"""Which language the thought is in, where in the thought, and how much of it is the artefact.

langid calls windows without words English. So shares are reported twice: among determined windows
(``prompt_share``, ``reference_share``, ``other_share``), and by the raw label of all windows
(``raw_`` before the name). ``artefact`` is the raw reference share minus the determined one. Each
is given by segment, over the whole thought, and for the first window (``initial_`` before the
name).

For the reference language nothing is drift, so it has no ``reference_share`` and no ``artefact``,
and "all" is all languages but the reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from mitt_assets.method.estimates.panel import Integers, Panel, View, attach
from mitt_assets.method.estimates.points import Basis, Filter, Points, label_of
from mitt_assets.method.estimates.selection import Value
from mitt_assets.method.statistics import Estimated, Floats, Resampling
from mitt_assets.method.windows import UNDETERMINED
from mitt_assets.study import Study

_KINDS = ("prompt", "reference", "other")


def drift(windows: pl.DataFrame, traces: pl.DataFrame, study: Study) -> pl.DataFrame:
    """The estimates table of drift, from windows and traces of all partitions together."""
    panel = Panel.of(traces, study)
    points = Points(Resampling.of(len(panel.problems), study.statistics))
    rows = attach(windows, traces)
    flags = _flags(rows, study.statistics.reference)
    codes = panel.codes(rows)
    segment, window = rows["segment"].to_numpy(), rows["window"].to_numpy()
    scopes = (
        _Scope("", "", [None], [{}], np.zeros(len(codes), dtype=np.int64)),
        _by_segment(segment, study.windows.segments),
        _Scope("initial_", "", [None], [{"window": 0}], np.where(window == 0, 0, -1)),
    )
    for scope in scopes:
        sums = scope.sums(panel, codes, flags)
        for view in panel.views(without=(study.statistics.reference,)):
            _scope(points, view, scope, sums, study.statistics.reference)
    return points.frame()


@dataclass(frozen=True)
class _Scope:
    """A set of points that windows are counted at; ``at`` (rows,) is -1 for windows left out."""

    prefix: str
    axis: str
    xs: Sequence[float | None]
    filters: Sequence[dict[str, Value]]
    at: Integers

    def sums(self, panel: Panel, codes: Integers, flags: dict[str, Floats]) -> dict[str, Floats]:
        """Every flag summed per condition, problem and point."""
        kept = self.at >= 0
        codes, at, width = codes[kept], self.at[kept], len(self.xs)
        return {
            name: panel.totals_at(codes, at, width, values[kept]) for name, values in flags.items()
        }


def _by_segment(segment: Integers, segments: int) -> _Scope:
    numbers = range(segments)
    return _Scope("", "segment", list(numbers), [{"segment": s} for s in numbers], segment)


def _flags(rows: pl.DataFrame, reference: str) -> dict[str, Floats]:
    """What each window counts as (1.0 or 0.0), by its label and by its raw label."""
    determined = pl.col("label") != UNDETERMINED
    flags = {"windows": pl.lit(True), "determined": determined, "undetermined": ~determined}
    for prefix, column in (("", "label"), ("raw_", "raw_label")):
        label = pl.col(column)
        own, other = label == pl.col("language"), label == reference
        flags[f"{prefix}prompt"] = own
        flags[f"{prefix}reference"] = other
        flags[f"{prefix}other"] = ~own & ~other & (label != UNDETERMINED)
    frame = rows.select(**{name: flag.cast(pl.Float64) for name, flag in flags.items()})
    return {name: frame[name].to_numpy() for name in flags}


def _scope(
    points: Points, view: View, scope: _Scope, sums: dict[str, Floats], reference: str
) -> None:
    here = {name: view.of(values) for name, values in sums.items()}
    all_, determined = Basis.of(here["windows"]), Basis.of(here["determined"])
    every = [view.filter(**one) for one in scope.filters]
    believed = [{**one, "label": {"not": UNDETERMINED}} for one in every]

    def add(measure: str, estimated: Estimated, basis: Basis, filters: Sequence[Filter]) -> None:
        label = label_of(scope.prefix + measure, view, "windows", "", scope.axis)
        points.add(label, estimated, basis, filters, scope.xs)

    ratio = points.resampling.ratio
    for kind in _KINDS:
        if kind == "reference" and view.language == reference:
            continue
        share = ratio(here[kind], here["determined"])
        raw = ratio(here[f"raw_{kind}"], here["windows"])
        add(f"{kind}_share", share, determined, believed)
        add(f"raw_{kind}_share", raw, all_, every)
        if kind == "reference":
            add("artefact", raw.minus(share), all_, every)
    add("undetermined_share", ratio(here["undetermined"], here["windows"]), all_, every)
