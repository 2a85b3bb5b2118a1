"""What a variant changes: accuracy and language fidelity, paired by problem.

Measures: ``effect`` (accuracy of one variant minus another's, after x waits); ``fidelity`` and
``initial_fidelity`` (share of determined windows, or first windows, in the prompt's language, per
variant) and ``fidelity_effect``, ``initial_fidelity_effect``. Accuracy bought by leaving the
prompt's language shows only where both stand together. Pairs are the study's comparisons, then each
variant minus base; "all" takes the languages both variants have.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from mitt_assets.method.estimates.panel import ALL, Panel, View, attach
from mitt_assets.method.estimates.points import Basis, Label, Points, label_of
from mitt_assets.method.estimates.readings import FORCED, NATURAL, Readings, wait_filter
from mitt_assets.method.estimates.selection import Value
from mitt_assets.method.statistics import Floats, Resampling
from mitt_assets.method.windows import UNDETERMINED
from mitt_assets.study import Study

BASE = "base"


def variant_effects(
    probes: pl.DataFrame, windows: pl.DataFrame, traces: pl.DataFrame, study: Study
) -> pl.DataFrame:
    """The estimates table of variant effects, from tables of all partitions together."""
    panel = Panel.of(traces, study)
    points = Points(Resampling.of(len(panel.problems), study.statistics))
    outcomes = [
        *_accuracies(panel, probes, traces, study),
        *_fidelities(panel, attach(windows, traces)),
    ]
    for left, right in _pairs(panel, study):
        for outcome in outcomes:
            _effect(points, outcome, left, right)
    for outcome in outcomes:
        if outcome.level:
            for view in panel.views():
                _level(points, outcome, view)
    return points.frame()


def comparisons(study: Study) -> list[tuple[str, str]]:
    """The study's comparisons in its order, then each variant minus base, each once."""
    to_base = [(variant, BASE) for variant in study.variants if variant != BASE]
    return list(dict.fromkeys([*study.statistics.comparisons, *to_base]))


@dataclass(frozen=True)
class _Outcome:
    """Something that is averaged over rows: its sums, its numbers of rows, and how it is named."""

    effect: str
    level: str
    table: str
    curve: str
    x: float | None
    filter: dict[str, Value]
    sums: Floats
    rows: Floats


def _accuracies(
    panel: Panel, probes: pl.DataFrame, traces: pl.DataFrame, study: Study
) -> list[_Outcome]:
    waits = Readings.of(probes, traces, study).waits
    codes = panel.codes(traces)
    rows = panel.totals(codes, np.ones((traces.height, 1)))
    sums = panel.totals(codes, waits)
    return [
        _Outcome(
            effect="effect",
            level="",
            table="probes",
            curve=FORCED if number else NATURAL,
            x=number,
            filter=wait_filter(number),
            sums=sums[:, :, [number]],
            rows=rows,
        )
        for number in range(waits.shape[1])
    ]


def _fidelities(panel: Panel, windows: pl.DataFrame) -> list[_Outcome]:
    believed = windows.filter(pl.col("label") != UNDETERMINED)
    filter_: dict[str, Value] = {"label": {"not": UNDETERMINED}}
    first = believed.filter(pl.col("window") == 0)
    return [
        _fidelity(panel, believed, "fidelity", filter_),
        _fidelity(panel, first, "initial_fidelity", {**filter_, "window": 0}),
    ]


def _fidelity(panel: Panel, rows: pl.DataFrame, name: str, filter_: dict[str, Value]) -> _Outcome:
    codes = panel.codes(rows)
    own = (rows["label"] == rows["language"]).cast(pl.Float64).to_numpy()
    return _Outcome(
        effect=f"{name}_effect",
        level=name,
        table="windows",
        curve="",
        x=None,
        filter=filter_,
        sums=panel.totals(codes, own[:, None]),
        rows=panel.totals(codes, np.ones((rows.height, 1))),
    )


def _pairs(panel: Panel, study: Study) -> Iterator[tuple[View, View]]:
    """Both views of every comparison, per model and language, and for all languages of both."""
    for model in study.models:
        for left, right in comparisons(study):
            others = panel.languages(model, right)
            both = [one for one in panel.languages(model, left) if one in others]
            for languages, name in [*(((one,), one) for one in both), (tuple(both), ALL)]:
                if languages:
                    yield (
                        panel.view(model, left, languages, name),
                        panel.view(model, right, languages, name),
                    )


def _effect(points: Points, outcome: _Outcome, left: View, right: View) -> None:
    """One variant minus the other."""
    means = [
        points.resampling.ratio(view.of(outcome.sums), view.of(outcome.rows))
        for view in (left, right)
    ]
    label = Label(
        outcome.effect,
        left.model,
        f"{left.variant}-minus-{right.variant}",
        left.language,
        f"{left.variant}/{outcome.table},{right.variant}/{outcome.table}",
        outcome.curve,
    )
    pair: Sequence[str] = [left.variant, right.variant]
    filters = [{**left.filter(**outcome.filter), "variant": list(pair)}]
    basis = Basis.of(left.of(outcome.rows) + right.of(outcome.rows))
    points.add(label, means[0].minus(means[1]), basis, filters, [outcome.x])


def _level(points: Points, outcome: _Outcome, view: View) -> None:
    """The outcome of one variant by itself."""
    estimated = points.resampling.ratio(view.of(outcome.sums), view.of(outcome.rows))
    label = label_of(outcome.level, view, outcome.table, outcome.curve)
    filters = [view.filter(**outcome.filter)]
    points.add(label, estimated, Basis.of(view.of(outcome.rows)), filters, [outcome.x])
