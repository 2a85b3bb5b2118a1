"""A chart: panels as inline SVG, the rows behind them as a frame and as CSV, and its captions."""

from __future__ import annotations

import csv
import html
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mitt_assets.reporting.key import Entry, entries, markup
from mitt_assets.reporting.panels import Panel, Point, Series
from mitt_assets.reporting.wording import number

if TYPE_CHECKING:
    import polars as pl

BAND = "Band or bar: the interval that resampling problems gives."
"""Said below every figure."""
DRAWN_POINTS = 64
"""Longest line drawn; more checkpoints than this are thinned evenly, the CSV keeps them all."""
CSV_COLUMNS = (
    "measure",
    "model",
    "variant",
    "language",
    "curve",
    "axis",
    "x",
    "estimate",
    "low",
    "high",
    "problems",
    "rows",
)


@dataclass(frozen=True)
class Chart:
    """A figure of the report. ``svg`` is markup: groups of panels, one SVG element each."""

    name: str
    title: str
    caption: str
    svg: str
    csv: str
    frame: pl.DataFrame
    panels: tuple[Panel, ...] = field(repr=False)
    reading: str = ""
    unit: str = "share"


@dataclass(frozen=True)
class Words:
    """What a figure says beside its panels: title, caption, how to read it, unit of its numbers.

    ``unit`` is share (shown in per cent), points (a difference of shares), or plain.
    """

    name: str
    title: str
    caption: str
    reading: str
    unit: str = "share"


def make_chart(
    words: Words,
    panels: Sequence[Panel],
    frame: pl.DataFrame,
    key: Sequence[Entry] | None = None,
) -> Chart | None:
    """The figure of ``panels`` over ``frame``; None where there is nothing to show.

    The key is read from the panels' series unless one is given.
    """
    drawn = [panel for panel in panels if any(series.points for series in panel.series)]
    if not drawn:
        return None
    room = max((len(series.label) for panel in drawn for series in panel.series), default=0)
    shown = tuple(replace(panel, room=room) for panel in drawn)
    return Chart(
        name=words.name,
        title=words.title,
        caption=words.caption,
        svg=markup(entries(shown) if key is None else key) + _panels(words.name, shown),
        csv=to_csv(frame, CSV_COLUMNS),
        frame=frame,
        panels=shown,
        reading=words.reading,
        unit=words.unit,
    )


def png(chart: Chart) -> bytes:
    """A small picture of the chart (of its first group of panels) for asset metadata."""
    from mitt_assets.reporting.render import picture

    return picture(chart.panels)


def to_csv(frame: pl.DataFrame, columns: Iterable[str] | None = None) -> str:
    """A frame as CSV, numbers to six digits, in the frame's row order."""
    names = list(columns or frame.columns)
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(names)
    for row in frame.select(names).iter_rows():
        writer.writerow([_cell(value) for value in row])
    return target.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else ""
    return "" if value is None else value


def _panels(name: str, panels: Sequence[Panel]) -> str:
    """Groups of panels; of many groups only the first are unfolded."""
    from mitt_assets.reporting.render import svg

    groups: dict[str, list[str]] = {}
    for position, panel in enumerate(panels):
        drawn = svg(panel, f"{name}-{position}", describe(panel))
        groups.setdefault(panel.group, []).append(drawn)
    kind = panels[0].kind
    unfolded = 1 if kind == "curve" else 2
    fold = len(groups) > (1 if kind == "curve" else 4)
    parts: list[str] = []
    for title, drawings in groups.items():
        grid = f'<div class="panels panels-{kind}">{"".join(drawings)}</div>'
        heading = html.escape(title)
        if fold:
            state = " open" if len(parts) < unfolded else ""
            parts.append(
                f'<details class="fold"{state}><summary>{heading}</summary>{grid}</details>'
            )
        else:
            parts.append((f'<p class="group">{heading}</p>' if title else "") + grid)
    return "".join(parts)


def describe(panel: Panel) -> str:
    """The panel in words, for readers who do not see it."""
    said = f"{panel.group}, {panel.title}" if panel.group else panel.title
    parts = [_series_in_words(panel, series) for series in panel.series if series.points]
    return f"{said}. {'; '.join(parts)}."


def _series_in_words(panel: Panel, series: Series) -> str:
    unit = ("points" if panel.signed else "share") if panel.percent else "plain"
    if panel.kind == "dots":
        values = [f"{panel.rows[round(p.x)]} {_said(p, unit)}" for p in series.points]
        return f"{series.label}: {', '.join(values)}"
    if panel.kind == "scatter":
        return f"{series.label}: {len(series.points)} points"
    return f"{series.label} ends at {_said(series.points[-1], unit)}"


def _said(point: Point, unit: str) -> str:
    if not point.has_interval:
        return number(point.y, unit)
    return f"{number(point.y, unit)} [{number(point.low, unit)}, {number(point.high, unit)}]"


def select(frame: pl.DataFrame, measure: str | list[str], **equal: Any) -> pl.DataFrame:
    """Rows of a measure (a list: any of them) that equal the given values (a list: any of them)."""
    import polars as pl

    measures = [measure] if isinstance(measure, str) else measure
    rows = frame.filter(pl.col("measure").is_in(measures))
    for column, value in equal.items():
        wanted = list(value) if isinstance(value, list | tuple) else [value]
        rows = rows.filter(pl.col(column).is_in(wanted))
    return rows


def each_language(frame: pl.DataFrame) -> pl.DataFrame:
    """Without the rows that join all languages: a panel by language has no place for them."""
    return frame.filter(frame["language"] != "all")


def points(frame: pl.DataFrame, position: Mapping[str, int] | None = None) -> tuple[Point, ...]:
    """Rows with an estimate as points, by x; ``position`` puts languages on rows instead."""
    made = [_point(row, position) for row in frame.iter_rows(named=True)]
    kept = sorted((p for p in made if p is not None), key=lambda point: point.x)
    return tuple(kept)


def _point(row: Mapping[str, Any], position: Mapping[str, int] | None) -> Point | None:
    x = row["x"] if position is None else position.get(row["language"])
    y = finite(row["estimate"])
    if x is None or math.isnan(y):
        return None
    return Point(float(x), y, finite(row["low"]), finite(row["high"]))


def finite(value: float | None) -> float:
    """The number, or NaN for null and infinities."""
    return value if value is not None and math.isfinite(value) else math.nan


def thinned(line: tuple[Point, ...]) -> tuple[Point, ...]:
    """At most DRAWN_POINTS of a line, evenly spaced, the last one kept."""
    step = -(-len(line) // DRAWN_POINTS)
    return line if step <= 1 else tuple(reversed(line[::-1][::step]))
