"""What thinking costs per language: tokens, characters and steps, and tokens against the reference.

Measures: ``thinking_tokens``, ``thinking_characters``, ``thinking_steps`` (means per trace);
``tokens_to_reference`` (mean tokens over the reference language's); ``ended_share`` (traces whose
thought ended by itself within the budget).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from mitt_assets.method.estimates.effort import AXES, TOKENS, Effort
from mitt_assets.method.estimates.panel import ALL, Panel, View
from mitt_assets.method.estimates.points import Basis, Points, label_of
from mitt_assets.method.estimates.readings import CURVES, FORCED, NATURAL, thought_ends
from mitt_assets.method.forcing import BUDGET
from mitt_assets.method.statistics import Floats, Resampling
from mitt_assets.study import Study


def tokens(traces: pl.DataFrame, study: Study) -> pl.DataFrame:
    """The estimates table of thinking effort, from the traces of all partitions together."""
    panel = Panel.of(traces, study)
    points = Points(Resampling.of(len(panel.problems), study.statistics))
    codes = panel.codes(traces)
    count = panel.totals(codes, np.ones((traces.height, 1)))
    ended = _ended(traces)
    effort = Effort.of(traces)
    for curve, ends in thought_ends(traces).items():
        spent = effort.spent(ends[:, None])
        sums = {axis: panel.totals(codes, values) for axis, values in spent.items()}
        stopped = panel.totals(codes, ended[curve])
        for view in panel.views():
            traces_here = view.of(count)
            numbers = {f"thinking_{axis}": view.of(sums[axis]) for axis in AXES}
            numbers["ended_share"] = view.of(stopped)
            for measure, values in numbers.items():
                estimated = points.resampling.ratio(values, traces_here)
                label = label_of(measure, view, "traces", curve)
                points.add(label, estimated, Basis.of(traces_here), [view.filter()])
            _to_reference(points, panel, view, sums[TOKENS], count, curve, study)
    return points.frame()


def _ended(traces: pl.DataFrame) -> dict[str, Floats]:
    """Whether each thought came to an end by itself, once (natural) or at last (forced)."""
    last = pl.col("finish_reason") != BUDGET
    first = last | (pl.col("think_ends").list.len() > 0)
    flags = traces.select(first.alias(NATURAL), last.alias(FORCED)).cast(pl.Float64)
    return {curve: flags[curve].to_numpy()[:, None] for curve in CURVES}


def _to_reference(
    points: Points,
    panel: Panel,
    view: View,
    sums: Floats,
    count: Floats,
    curve: str,
    study: Study,
) -> None:
    reference = study.statistics.reference
    there = panel.languages(view.model, view.variant)
    if view.language in (ALL, reference) or reference not in there:
        return
    other = panel.view(view.model, view.variant, (reference,))
    own = points.resampling.ratio(view.of(sums), view.of(count))
    ratio = own.over(points.resampling.ratio(other.of(sums), other.of(count)))
    label = label_of("tokens_to_reference", view, "traces", curve)
    filters = [{**view.filter(), "language": [view.language, reference]}]
    points.add(label, ratio, Basis.of(view.of(count) + other.of(count)), filters)
