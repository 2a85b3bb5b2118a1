"""Accuracy by budget, what longer thinking gains, what a wait does, and s1's three metrics.

Measures: ``accuracy`` by budget on three axes; ``accuracy_end`` at the end of thinking after x
waits; ``wait_effect`` (x waits minus none); ``gain`` and ``relative_gain`` from the first budget to
the whole; ``gap_to_reference`` (language minus reference, after x waits); ``control``, ``scaling``
and ``performance`` of s1 (arXiv 2501.19393).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from mitt_assets.method.estimates.effort import AXES, TOKENS, Effort
from mitt_assets.method.estimates.panel import ALL, Panel, View
from mitt_assets.method.estimates.points import Basis, Points, label_of
from mitt_assets.method.estimates.readings import (
    CURVES,
    FORCED,
    NATURAL,
    Readings,
    budget_filter,
    wait_filter,
)
from mitt_assets.method.statistics import Estimated, Floats, Resampling, scaling_weights
from mitt_assets.study import Study


def scaling(probes: pl.DataFrame, traces: pl.DataFrame, study: Study) -> pl.DataFrame:
    """The estimates table of scaling, from probes and traces of all partitions together."""
    panel = Panel.of(traces, study)
    points = Points(Resampling.of(len(panel.problems), study.statistics))
    cells = _Cells.of(panel, probes, traces, study)
    for view in panel.views():
        for curve in CURVES:
            _curve(points, cells, view, curve)
        _ends(points, cells, view)
        _gap(points, cells, view, panel, study.statistics.reference)
    return points.frame()


@dataclass(frozen=True)
class _Cells:
    """Sums per condition and problem: traces, correct answers, and thinking spent per axis."""

    grid: list[int]
    traces: Floats
    correct: dict[str, Floats]
    waits: Floats
    within: dict[str, Floats]
    spent: dict[tuple[str, str], Floats]

    @classmethod
    def of(cls, panel: Panel, probes: pl.DataFrame, traces: pl.DataFrame, study: Study) -> _Cells:
        readings = Readings.of(probes, traces, study)
        codes = panel.codes(traces)
        effort = Effort.of(traces)
        spent: dict[tuple[str, str], Floats] = {}
        within: dict[str, Floats] = {}
        for curve, ends in readings.ends.items():
            tokens = np.minimum(readings.grid[None, :], ends[:, None])
            for axis, values in effort.spent(tokens).items():
                spent[curve, axis] = panel.totals(codes, values)
            inside = (ends <= study.generation.budget).astype(np.float64)
            within[curve] = panel.totals(codes, inside[:, None])
        return cls(
            grid=readings.grid.tolist(),
            traces=panel.totals(codes, np.ones((traces.height, 1))),
            correct={c: panel.totals(codes, values) for c, values in readings.curves.items()},
            waits=panel.totals(codes, readings.waits),
            within=within,
            spent=spent,
        )


def _curve(points: Points, cells: _Cells, view: View, curve: str) -> None:
    """Accuracy at every budget, and the numbers that sum up a curve."""
    traces = view.of(cells.traces)
    accuracy = points.resampling.ratio(view.of(cells.correct[curve]), traces)
    basis = Basis.of(traces)
    bounded = points.bounded(accuracy)
    filters = [view.filter(**budget_filter(curve, budget)) for budget in cells.grid]
    for axis in AXES:
        spent = view.of(cells.spent[curve, axis]).sum(axis=0) / traces.sum()
        xs = np.array(cells.grid, dtype=np.float64) if axis == TOKENS else spent
        kept = np.flatnonzero(np.append(np.diff(xs) > 0, True))
        label = label_of("accuracy", view, "probes", curve, axis)
        chosen = [filters[k] for k in kept]
        points.add_bounded(label, bounded[kept], basis, chosen, xs[kept].tolist())
    whole = [view.filter(**budget_filter(curve))]
    compute = view.of(cells.spent[curve, TOKENS]).sum(axis=0) / traces.sum()
    for measure, estimated in _summaries(accuracy, compute).items():
        points.add(label_of(measure, view, "probes", curve), estimated, basis, whole)
    within = points.resampling.ratio(view.of(cells.within[curve]), traces)
    points.add(label_of("control", view, "traces", curve), within, basis, [view.filter()])


def _summaries(accuracy: Estimated, compute: Floats) -> dict[str, Estimated]:
    """One number each for a curve of accuracies at mean thinking tokens ``compute`` (K,).

    Gain: accuracy at the whole budget minus at the first budget (one stride); relative: divided by
    the latter, undefined where that is zero. Scaling takes compute as observed in every resample.
    """
    gain = accuracy.at(-1).minus(accuracy.at(0))
    weights = scaling_weights(compute)[:, None]
    best = Estimated(accuracy.value.max(keepdims=True), accuracy.draws.max(axis=1, keepdims=True))
    return {
        "gain": gain,
        "relative_gain": gain.over(accuracy.at(0)),
        "scaling": Estimated(accuracy.value @ weights, accuracy.draws @ weights),
        "performance": best,
    }


def _ends(points: Points, cells: _Cells, view: View) -> None:
    """Accuracy at the end of thinking after each number of waits, and what each does."""
    traces = view.of(cells.traces)
    accuracy = points.resampling.ratio(view.of(cells.waits), traces)
    basis = Basis.of(traces)
    for waits in range(len(accuracy.value)):
        curve = FORCED if waits else NATURAL
        filters = [view.filter(**wait_filter(waits))]
        label = label_of("accuracy_end", view, "probes", curve)
        points.add(label, accuracy.at(waits), basis, filters, [waits])
        if waits:
            effect = accuracy.at(waits).minus(accuracy.at(0))
            filters = [view.filter(kind=["terminal", "end"])]
            label = label_of("wait_effect", view, "probes", curve)
            points.add(label, effect, basis, filters, [waits])


def _gap(points: Points, cells: _Cells, view: View, panel: Panel, reference: str) -> None:
    """Accuracy minus the reference language's, after each number of waits."""
    there = panel.languages(view.model, view.variant)
    if view.language in (ALL, reference) or reference not in there:
        return
    other = panel.view(view.model, view.variant, (reference,))
    both = panel.view(view.model, view.variant, (view.language, reference))
    own_traces, other_traces = view.of(cells.traces), other.of(cells.traces)
    own = points.resampling.ratio(view.of(cells.waits), own_traces)
    gap = own.minus(points.resampling.ratio(other.of(cells.waits), other_traces))
    basis = Basis.of(own_traces + other_traces)
    for waits in range(len(gap.value)):
        label = label_of("gap_to_reference", view, "probes", FORCED if waits else NATURAL)
        filters = [{**both.filter(**wait_filter(waits)), "language": [view.language, reference]}]
        points.add(label, gap.at(waits), basis, filters, [waits])
