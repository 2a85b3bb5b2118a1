"""How rows become panels: small multiples by language, and dots with languages as rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from mitt_assets.reporting.chart import points, thinned
from mitt_assets.reporting.panels import Panel, Series
from mitt_assets.reporting.style import language_name, model_title, variant_ink, variant_marker
from mitt_assets.study import Study

if TYPE_CHECKING:
    import polars as pl

MINUS_NAME = "-minus-"


def curves_by_language(
    rows: pl.DataFrame,
    study: Study,
    *,
    x_label: str,
    limits: tuple[float, float] | None = None,
    percent: bool = True,
) -> list[Panel]:
    """A panel per model and language, a line per variant; models are groups."""
    panels = []
    for model in in_order(study.models, rows["model"]):
        for language in in_order(study.languages, rows["language"]):
            part = rows.filter(rows["model"] == model, rows["language"] == language)
            series = tuple(
                Series(name, variant_ink(study, name), variant_marker(name), thinned(line))
                for name in in_order(study.variants, part["variant"])
                if (line := points(part.filter(part["variant"] == name)))
            )
            panels.append(
                Panel(
                    language_name(study, language),
                    "curve",
                    series,
                    x_label=x_label,
                    limits=limits or common_limits(rows),
                    percent=percent,
                    whole=True,
                    group=model_title(study, model),
                )
            )
    return panels


def dots_by_language(
    rows: pl.DataFrame,
    study: Study,
    *,
    x_label: str = "",
    group: str = "",
    percent: bool = True,
    signed: bool = True,
    limits: tuple[float, float] | None = None,
) -> list[Panel]:
    """A panel per model; languages are rows, variants (and curves, if two) are series."""
    languages = in_order(study.languages, rows["language"])
    languages += ["all"] if "all" in set(rows["language"]) else []
    position = {language: number for number, language in enumerate(languages)}
    return [
        Panel(
            model_title(study, model),
            "dots",
            _dot_series(rows.filter(rows["model"] == model), study, position),
            x_label=x_label,
            rows=tuple(language_name(study, language) for language in languages),
            percent=percent,
            signed=signed,
            limits=limits or common_limits(rows, zero=signed),
            group=group,
        )
        for model in in_order(study.models, rows["model"])
    ]


def dots_by_measure(rows: pl.DataFrame, study: Study, titles: Mapping[str, str]) -> list[Panel]:
    """A group per model, a panel per measure; all models share a measure's scale."""
    panels = []
    for model in in_order(study.models, rows["model"]):
        for measure, title in titles.items():
            whole = rows.filter(rows["measure"] == measure)
            part = whole.filter(whole["model"] == model)
            limits = common_limits(whole)
            drawn = dots_by_language(part, study, signed=False, percent=False, limits=limits)
            panels += [replace(one, title=title, group=model_title(study, model)) for one in drawn]
    return panels


def _dot_series(
    rows: pl.DataFrame, study: Study, position: Mapping[str, int]
) -> tuple[Series, ...]:
    """A series per variant, and per number of waits where there are several."""
    ends = rows.select("curve", "x").unique().sort("x", nulls_last=False)
    series = []
    for name in in_order(study.variants, rows["variant"]):
        for curve, waits in ends.iter_rows():
            part = rows.filter(
                rows["variant"] == name, rows["curve"] == curve, rows["x"].eq_missing(waits)
            )
            label = difference(name)
            if ends.height > 1:
                label += f", {after(waits)}"
            lead = name.split(MINUS_NAME)[0]
            ink, marker = variant_ink(study, lead), variant_marker(lead)
            hollow = bool(waits) and ends.height > 1
            series.append(Series(label, ink, marker, points(part, position), hollow))
    return tuple(one for one in series if one.points)


def difference(variant: str) -> str:
    """A variant or a pair of them, as a reader writes it."""
    return variant.replace(MINUS_NAME, " \u2212 ")


def after(waits: float | None) -> str:
    """How many waits were forced."""
    if not waits:
        return "natural end"
    return "one Wait" if waits == 1 else f"{waits:g} Waits"


def in_order(declared: Iterable[str], found: Iterable[str]) -> list[str]:
    """The names found, in the study's order; names it does not declare come last, sorted."""
    present = set(found)
    known = [name for name in declared if name in present]
    return known + sorted(present - set(known) - {"all"})


def common_limits(rows: pl.DataFrame, zero: bool = False) -> tuple[float, float] | None:
    """Limits that hold every estimate and interval (and zero), so that panels share one scale."""
    ends = [
        value
        for column in ("estimate", "low", "high")
        for value in rows[column].drop_nulls().drop_nans()
    ]
    if not ends:
        return None
    ends += [0.0] if zero else []
    low, high = min(ends), max(ends)
    margin = 0.05 * (high - low) or 0.05
    return low - margin, high + margin
