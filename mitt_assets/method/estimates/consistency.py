"""How alike first thoughts and later ones are, and whether languages get the same problems right.

Measures: ``within``, ``to_english`` and their rolling means by segment (arXiv 2505.15508; the exact
similarity is our choice); ``initial_within`` and ``initial_to_english`` for the first window;
``initial_agreement``, the share of pairs of samples whose first windows are in the same language;
``fleiss_kappa`` with languages as raters of right or wrong (MCLM, arXiv 2502.17407).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from mitt_assets.method.estimates.panel import ALL, CONDITION, Panel, View, attach
from mitt_assets.method.estimates.points import Basis, Points, label_of
from mitt_assets.method.estimates.readings import FORCED, NATURAL, Readings, wait_filter
from mitt_assets.method.statistics import Estimated, Floats, Resampling, fleiss_parts, kappa_of
from mitt_assets.method.windows import INITIAL, SEGMENT, UNDETERMINED
from mitt_assets.study import Study

_BY_SEGMENT = ("within", "to_english", "within_rolling", "to_english_rolling")
_INITIAL = ("within", "to_english")


def consistency(
    similarities: pl.DataFrame,
    windows: pl.DataFrame,
    probes: pl.DataFrame,
    traces: pl.DataFrame,
    study: Study,
) -> pl.DataFrame:
    """The estimates table of consistency, from tables of all partitions together.

    ``similarities`` is the consistency table with the columns model, variant and language.
    """
    panel = Panel.of(traces, study)
    points = Points(Resampling.of(len(panel.problems), study.statistics))
    _similarity(points, panel, similarities, study.windows.segments)
    _agreement(points, panel, windows, traces)
    _kappa(points, panel, probes, traces, study)
    return points.frame()


def _similarity(points: Points, panel: Panel, rows: pl.DataFrame, segments: int) -> None:
    for unit, names, width in ((SEGMENT, _BY_SEGMENT, segments), (INITIAL, _INITIAL, 1)):
        here = rows.filter(pl.col("unit") == unit)
        for name in names:
            known = here.filter(pl.col(name).is_not_null())
            at, codes = known["segment"].to_numpy(), panel.codes(known)
            sums = panel.totals_at(codes, at, width, known[name].to_numpy())
            counts = panel.totals_at(codes, at, width, np.ones(known.height))
            for view in panel.views():
                _mean(points, view, sums, counts, name, unit)


def _mean(points: Points, view: View, sums: Floats, counts: Floats, name: str, unit: str) -> None:
    """Mean over problems of one similarity, at every segment."""
    initial = unit == INITIAL
    segments = range(counts.shape[2])
    filters = [view.filter(unit=unit, segment=segment) for segment in segments]
    measure, axis = (f"initial_{name}", "") if initial else (name, SEGMENT)
    label = label_of(measure, view, "consistency", "", axis)
    estimated = points.resampling.ratio(view.of(sums), view.of(counts))
    xs: list[float | None] = [None] if initial else list(segments)
    points.add(label, estimated, Basis.of(view.of(counts)), filters, xs)


def _agreement(points: Points, panel: Panel, windows: pl.DataFrame, traces: pl.DataFrame) -> None:
    """Per problem and language, the share of pairs of samples that agree; then the mean.

    Undetermined first windows are left out, and with them problems with fewer than two others.
    """
    believed = pl.col("label") != UNDETERMINED
    first = attach(windows.filter((pl.col("window") == 0) & believed), traces)
    counts = first.group_by(*CONDITION, "problem_id", "label", maintain_order=True).len("n")
    n = pl.col("n").cast(pl.Float64)
    problems = counts.group_by(*CONDITION, "problem_id", maintain_order=True).agg(
        ((n * (n - 1)).sum() / (n.sum() * (n.sum() - 1))).alias("agreement"),
        n.sum().alias("samples"),
    )
    known = problems.filter(pl.col("samples") > 1)
    codes = panel.codes(known)
    sums = panel.totals(codes, known["agreement"].to_numpy()[:, None])
    cells = panel.totals(codes, np.ones((known.height, 1)))
    samples = panel.totals(codes, known["samples"].to_numpy()[:, None])
    for view in panel.views():
        estimated = points.resampling.ratio(view.of(sums), view.of(cells))
        filters = [view.filter(window=0, label={"not": UNDETERMINED})]
        label = label_of("initial_agreement", view, "windows")
        points.add(label, estimated, Basis.of(view.of(samples)), filters)


def _kappa(
    points: Points, panel: Panel, probes: pl.DataFrame, traces: pl.DataFrame, study: Study
) -> None:
    """Kappa per model and variant, at the end of thinking after each number of waits.

    A subject is a problem and a sample number, rated by every language; subjects that some language
    lacks are left out. Needs two languages.
    """
    waits = Readings.of(probes, traces, study).waits
    for view in panel.views():
        if view.language != ALL or len(view.languages) < 2:
            continue
        for number in range(waits.shape[1]):
            rated = _rated(traces, waits[:, number], view)
            _one_kappa(points, panel, view, rated, number)


def _rated(traces: pl.DataFrame, correct: Floats, view: View) -> pl.DataFrame:
    """Columns problem_id and right (languages right about it), a row per fully rated subject."""
    rows = traces.select(*CONDITION, "problem_id", "sample").with_columns(
        correct=pl.Series(correct)
    )
    here = rows.filter(pl.col("model") == view.model, pl.col("variant") == view.variant)
    subjects = here.group_by("problem_id", "sample", maintain_order=True).agg(
        pl.col("correct").sum().alias("right"), pl.len().alias("raters")
    )
    return subjects.filter(pl.col("raters") == len(view.languages))


def _one_kappa(points: Points, panel: Panel, view: View, rated: pl.DataFrame, waits: int) -> None:
    right = rated["right"].to_numpy()
    agreement, shares = fleiss_parts(np.stack([right, len(view.languages) - right], axis=1))
    index = {problem: number for number, problem in enumerate(panel.problems)}
    at = np.array([index[problem] for problem in rated["problem_id"]], dtype=np.int64)
    columns = np.column_stack([agreement, shares, np.ones(len(right))])
    sums = np.zeros((len(panel.problems), columns.shape[1]))
    np.add.at(sums, at, columns)
    means = points.resampling.ratio(sums[:, :3], sums[:, 3:])
    kappa = Estimated(
        kappa_of(means.value[[0]], means.value[None, 1:]),
        kappa_of(means.draws[:, 0], means.draws[:, 1:])[:, None],
    )
    label = label_of("fleiss_kappa", view, "probes", FORCED if waits else NATURAL)
    basis = Basis.of(sums[:, 3:] * len(view.languages))
    points.add(label, kappa, basis, [view.filter(**wait_filter(waits))], [waits])
