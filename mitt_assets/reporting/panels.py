"""Panels: what one small picture shows, and how it is drawn on matplotlib axes.

A figure of the report is a group of panels, one SVG each, so that a page can put them side by side
on a desk and below each other on a phone. A panel is plain data; drawing it reads nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mitt_assets.reporting.style import GRID, MUTED, PAPER, TEXT, Ink

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

SMALL = 8.0
"""Type size in points; a panel is about 230 points wide, so it stays readable on a phone."""


WIDE, NARROW, BAR = 2.4, 1.5, 1.6
"""Widths in points: a curve's first line, seen under one that covers it; other lines; intervals."""


@dataclass(frozen=True)
class Point:
    """An estimate at ``x`` with its interval; ``low`` and ``high`` are NaN where there is none."""

    x: float
    y: float
    low: float = math.nan
    high: float = math.nan
    x_low: float = math.nan
    x_high: float = math.nan

    @property
    def has_interval(self) -> bool:
        """Whether the estimate comes with an interval."""
        return math.isfinite(self.low) and math.isfinite(self.high)


@dataclass(frozen=True)
class Series:
    """Points that belong together, with their label, colour and marker."""

    label: str
    ink: Ink
    marker: str
    points: tuple[Point, ...]
    hollow: bool = False
    tag: str = ""


@dataclass(frozen=True)
class Panel:
    """One picture. ``kind`` chooses the drawing.

    curve: lines with bands over x. dots: one row per category (``rows``; x of a point is the row's
    number, y its value). scatter: points with an interval in both directions. ``whole`` keeps ticks
    of x at whole numbers; ``room`` is the length of the longest end label of the figure's panels.
    """

    title: str
    kind: Literal["curve", "dots", "scatter"]
    series: tuple[Series, ...]
    x_label: str = ""
    y_label: str = ""
    rows: tuple[str, ...] = ()
    percent: bool = True
    signed: bool = False
    limits: tuple[float, float] | None = None
    group: str = ""
    width: float = 3.2
    whole: bool = False
    room: int = 0

    @property
    def height(self) -> float:
        """Inches; dots grow with their rows and series."""
        if self.kind == "dots":
            return 0.72 + len(self.rows) * max(0.2, 0.105 * len(self.series) + 0.06)
        return 3.0 if self.kind == "scatter" else 2.05


def draw(panel: Panel, axes: Axes) -> None:
    """Draw ``panel`` on ``axes``."""
    _frame(panel, axes)
    {"curve": _curve, "dots": _dots, "scatter": _scatter}[panel.kind](panel, axes)
    if panel.kind == "dots":
        _scale(axes.xaxis, panel.percent, panel.signed)
        return
    _scale(axes.xaxis, panel.kind == "scatter", signed=True, whole=panel.whole)
    _scale(axes.yaxis, panel.percent, panel.signed)


def _scale(axis: Axis, percent: bool, signed: bool, whole: bool = False) -> None:
    """Few round ticks; shares as per cent, differences of shares as signed points."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins=6 if whole else 5, steps=[1, 2, 5, 10], integer=whole))
    if percent:
        axis.set_major_formatter(_points if signed else _percent)


def _percent(value: float, _position: float) -> str:
    return f"{100 * value:.3g} %"


def _points(value: float, _position: float) -> str:
    rounded = round(100 * value, 2)
    return f"{rounded:+.3g}".replace("-", "\u2212") if rounded else "0"


def _frame(panel: Panel, axes: Axes) -> None:
    # y is given so that matplotlib does not measure every label to find the title's place.
    heading = {"fontsize": SMALL + 1, "fontweight": "bold", "color": TEXT.light}
    axes.set_title(panel.title, heading, loc="left", y=1.0)
    axes.patch.set_visible(False)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.tick_params(length=0, labelsize=SMALL, labelcolor=MUTED.light, pad=3)
    along = {"dots": "x", "curve": "y", "scatter": "both"}[panel.kind]
    axes.grid(visible=True, axis=along, color=GRID.light, lw=0.8, clip_on=False)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    axes.set_xlabel(panel.x_label, fontsize=SMALL, color=MUTED.light, labelpad=2)
    axes.set_ylabel(panel.y_label, fontsize=SMALL, color=MUTED.light, labelpad=2)


def _curve(panel: Panel, axes: Axes) -> None:
    for number, series in enumerate(panel.series):
        points = series.points
        x = [point.x for point in points]
        colour = series.ink.light
        axes.fill_between(
            x,
            [point.low for point in points],
            [point.high for point in points],
            color=colour,
            alpha=0.2,
            lw=0,
            clip_on=False,
        )
        axes.plot(
            x,
            [point.y for point in points],
            color=colour,
            lw=WIDE if number == 0 else NARROW,
            clip_on=False,
        )
        for point in points[-1:]:
            _mark(axes, point.x, point.y, series)
    if panel.limits:
        axes.set_ylim(*panel.limits)
    elif panel.signed:
        axes.axhline(0, color=MUTED.light, lw=1)
    _end_labels(panel, axes)


def _mark(axes: Axes, x: float, y: float, series: Series) -> None:
    axes.plot(
        [x],
        [y],
        series.marker,
        ms=4.6,
        color=series.ink.light,
        mec=PAPER.light,
        mew=0.7,
        zorder=4,
        clip_on=False,
    )


def _end_labels(panel: Panel, axes: Axes) -> None:
    """Name every line at its right end, moved apart where they would overlap."""
    from matplotlib.transforms import blended_transform_factory

    ends = [(one.points[-1].y, one) for one in panel.series if one.points]
    low, high = axes.get_ylim()
    place = _spread([y for y, _ in ends], 0.085 * (high - low), low, high)
    across = blended_transform_factory(axes.transAxes, axes.transData)
    for y, (_, series) in zip(place, ends, strict=True):
        axes.text(
            1.02,
            y,
            series.label,
            transform=across,
            fontsize=SMALL,
            color=series.ink.light,
            va="center",
        )


def _spread(values: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """``values`` moved apart by at least ``gap``, kept between ``low`` and ``high``."""
    order = sorted(range(len(values)), key=lambda i: (values[i], i))
    placed: dict[int, float] = {}
    floor = low
    for i in order:
        placed[i] = max(values[i], floor)
        floor = placed[i] + gap
    ceiling = high
    for i in reversed(order):
        placed[i] = min(placed[i], ceiling)
        ceiling = placed[i] - gap
    return [placed[i] for i in range(len(values))]


def _dots(panel: Panel, axes: Axes) -> None:
    count = len(panel.series)
    for number, series in enumerate(panel.series):
        shift = (number - (count - 1) / 2) * min(0.36, 0.78 / max(count, 1))
        for point in series.points:
            _bar(axes, point, point.x + shift, series)
            axes.plot(
                [point.y],
                [point.x + shift],
                series.marker,
                ms=4.8,
                color=series.ink.light,
                mfc=PAPER.light if series.hollow else series.ink.light,
                mew=0.9,
                zorder=4,
                clip_on=False,
            )
    if panel.signed:
        axes.axvline(0, color=MUTED.light, lw=1.1, zorder=1)
    if panel.limits:
        axes.set_xlim(*panel.limits)
    axes.set_ylim(len(panel.rows) - 0.5, -0.5)
    axes.set_yticks(range(len(panel.rows)), panel.rows)
    axes.tick_params(axis="y", labelcolor=TEXT.light, pad=7)


def _bar(axes: Axes, point: Point, y: float, series: Series) -> None:
    if point.has_interval:
        axes.plot([point.low, point.high], [y, y], color=series.ink.light, lw=BAR, clip_on=False)


def _scatter(panel: Panel, axes: Axes) -> None:
    axes.axhline(0, color=MUTED.light, lw=1.1, zorder=1)
    axes.axvline(0, color=MUTED.light, lw=1.1, zorder=1)
    for series in panel.series:
        colour = series.ink.light
        for point in series.points:
            if point.has_interval:
                axes.plot(
                    [point.x, point.x], [point.low, point.high], color=colour, lw=1, alpha=0.6
                )
            if math.isfinite(point.x_low) and math.isfinite(point.x_high):
                ends = [point.x_low, point.x_high]
                axes.plot(ends, [point.y, point.y], color=colour, lw=1, alpha=0.6)
            _mark(axes, point.x, point.y, series)
            axes.annotate(
                series.tag,
                (point.x, point.y),
                xytext=(4, 3),
                textcoords="offset points",
                fontsize=SMALL - 1,
                color=colour,
            )
