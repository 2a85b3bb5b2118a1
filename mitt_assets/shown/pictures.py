"""The key chart of a partition, drawn as the report draws its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from mitt_assets.reporting.panels import Panel, Point, Series
from mitt_assets.reporting.style import OTHER, Ink, language_ink, language_name

if TYPE_CHECKING:
    import polars as pl

    from mitt_assets.study import Study

Own = Mapping[str, str]
DRAWN = 64
"""Points of a line that are drawn."""


def panel_of(table: str, study: Study, own: Own, frame: pl.DataFrame) -> Panel | None:
    """The panel of a partition's table; None if it has none or nothing to draw."""
    draw = _DRAWN.get(table)
    panel = draw(study, own, frame) if draw and frame.height else None
    return panel if panel and any(series.points for series in panel.series) else None


def loss_panel(losses: bytes) -> Panel:
    """The loss by step of an adapter's training, from its file."""
    values = json.loads(losses)["losses"]
    line = _line("loss", OTHER, list(enumerate(values, 1)))
    return Panel(
        "Loss by step", "curve", (line,), x_label="optimiser step", percent=False, whole=True
    )


def _lengths(study: Study, own: Own, frame: pl.DataFrame) -> Panel:
    """Which share of thoughts have ended by a length."""
    lengths = sorted(frame["think_tokens"].to_list())
    line = [(length, (i + 1) / len(lengths)) for i, length in enumerate(lengths)]
    return _curve("Thoughts ended by length", study, own, [(0, 0.0), *line], "thinking tokens")


def _accuracy(study: Study, own: Own, frame: pl.DataFrame) -> Panel:
    """Accuracy of the answers read at each checkpoint of the natural thought."""
    import polars as pl

    read = frame.filter(kind="checkpoint", waits=0)
    means = read.group_by("budget").agg(pl.col("correct").mean()).sort("budget")
    return _curve(
        "Accuracy of thoughts still going", study, own, list(means.iter_rows()), "thinking tokens"
    )


def _labels(study: Study, own: Own, frame: pl.DataFrame) -> Panel:
    """The share of windows in each language."""
    counts = dict(frame["label"].value_counts().iter_rows())
    names = sorted(counts, key=lambda name: -counts[name])
    points = tuple(Point(float(i), counts[name] / frame.height) for i, name in enumerate(names))
    series = Series("windows", language_ink(study, own["language"]), "o", points)
    rows = tuple(language_name(study, name) for name in names)
    return Panel("Windows by language", "dots", (series,), rows=rows, limits=(0.0, 1.0))


def _similarity(study: Study, own: Own, frame: pl.DataFrame) -> Panel:
    """Mean similarity of samples by segment, with each other and with the reference."""
    import polars as pl

    measures = ("within", "to_english")
    means = frame.filter(unit="segment").group_by("segment").agg(pl.col(measures).mean())
    labels = {"within": "samples", "to_english": "reference"}
    inks = {"within": language_ink(study, own["language"]), "to_english": OTHER}
    series = tuple(
        _line(
            labels[name],
            inks[name],
            list(means.select("segment", name).drop_nulls().sort("segment").iter_rows()),
        )
        for name in measures
    )
    return Panel(
        "Similarity by segment",
        "curve",
        series,
        x_label="segment",
        percent=False,
        whole=True,
        room=max(map(len, labels.values())),
    )


_DRAWN: Mapping[str, Callable[[Study, Own, pl.DataFrame], Panel]] = {
    "traces": _lengths,
    "probes": _accuracy,
    "windows": _labels,
    "consistency": _similarity,
}


def _curve(
    title: str, study: Study, own: Own, line: Sequence[tuple[float, float]], x_label: str
) -> Panel:
    ink = language_ink(study, own.get("language", ""))
    return Panel(title, "curve", (_line("", ink, line),), x_label=x_label, limits=(0.0, 1.0))


def _line(label: str, ink: Ink, values: Sequence[tuple[float, float]]) -> Series:
    step = -(-len(values) // DRAWN) or 1
    kept = list(reversed(values[::-1][::step]))
    return Series(label, ink, "o", tuple(Point(float(x), float(y)) for x, y in kept))
