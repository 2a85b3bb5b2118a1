"""Figures: what they draw, what stands in their CSV, and that the same rows give the same bytes."""

from __future__ import annotations

import csv
import io
import math
import re
import struct
import xml.etree.ElementTree as ET
from collections.abc import Callable

import polars as pl
import pytest

from mitt_assets.reporting import agreement, charts, drift
from mitt_assets.reporting.chart import DRAWN_POINTS, Chart, describe, points, thinned
from mitt_assets.reporting.data_table import data_table
from mitt_assets.reporting.panels import Panel, Point, Series, _spread
from mitt_assets.reporting.render import PICTURE_LIMIT, STYLES, picture, svg
from mitt_assets.reporting.style import (
    GRID,
    INKS,
    PAPER,
    Ink,
    language_ink,
    variant_ink,
    variant_marker,
)
from mitt_assets.study import Study
from mitt_assets.study_file import load_study
from tests.fakes.estimates import Maker, frame, small_study

STUDY = small_study()
ROWS = pl.concat(Maker(STUDY).all().values())
ALL: dict[str, Callable[[pl.DataFrame, Study], Chart | None]] = {
    "accuracy": charts.accuracy,
    "characters": lambda rows, study: charts.accuracy(rows, study, "characters"),
    "forced": lambda rows, study: charts.accuracy(rows, study, "tokens", "forced"),
    "gain": charts.gain,
    "wait": charts.wait_effect,
    "effects": charts.variant_effects,
    "fidelity": charts.fidelity,
    "metrics": charts.curve_metrics,
    "within": lambda rows, study: agreement.along_the_thought(rows, study, "within"),
    "kappa": agreement.across_languages,
    "initial": charts.initial_thoughts,
    "lengths": charts.lengths,
    "gap": charts.effect_by_gap,
    "first": drift.first_thoughts,
    "drift": lambda rows, study: drift.along_the_thought(rows, study, "mitt"),
    "artefact": drift.artefact,
}


def chart(name: str, rows: pl.DataFrame = ROWS) -> Chart:
    made = ALL[name](rows, STUDY)
    assert made is not None
    return made


@pytest.mark.parametrize("name", ALL)
def test_same_rows_same_bytes_whatever_their_order(name: str) -> None:
    first, again = chart(name), chart(name, ROWS.clone())
    assert (first.svg, first.csv) == (again.svg, again.csv)
    shuffled = chart(name, ROWS.sample(fraction=1.0, shuffle=True, seed=3))
    assert shuffled.svg == first.svg


@pytest.mark.parametrize("name", ALL)
def test_the_csv_holds_every_number_drawn(name: str) -> None:
    made = chart(name)
    rows = list(csv.DictReader(io.StringIO(made.csv)))
    assert len(rows) == made.frame.height
    written = {float(row["estimate"]) for row in rows}
    for panel in made.panels:
        for series in panel.series:
            for point in series.points:
                assert any(math.isclose(point.y, one, rel_tol=1e-5) for one in written)
                assert point.has_interval


@pytest.mark.parametrize("name", ALL)
def test_colours_are_variables_and_nothing_is_loaded(name: str) -> None:
    made = chart(name)
    assert not re.search(r"#[0-9a-fA-F]{3,6}\b", made.svg)
    assert "http" not in made.svg and "font-family" not in made.svg
    known = {ink.name for ink in INKS}
    assert set(re.findall(r"var\(--([\w-]+)\)", made.svg)) <= known


@pytest.mark.parametrize("name", ALL)
def test_every_panel_is_xml_with_a_spoken_description(name: str) -> None:
    made = chart(name)
    drawn = re.findall(r"<svg.*?</svg>", made.svg)
    panels = [one for one in drawn if 'role="img"' in one]
    assert len(panels) == len(made.panels)
    for text, panel in zip(panels, made.panels, strict=True):
        label = ET.fromstring(text).attrib["aria-label"]
        assert label == describe(panel)
        assert panel.series[0].label in label


@pytest.mark.parametrize("name", ALL)
def test_the_picture_is_a_small_png(name: str) -> None:
    data = charts.png(chart(name))
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(data) < PICTURE_LIMIT
    assert struct.unpack(">I", data[16:20])[0] > 150
    assert data == charts.png(chart(name))
    assert charts.markdown_picture(data).startswith("![chart](data:image/png;base64,iVBOR")


def test_the_picture_shows_one_group_only() -> None:
    made = chart("effects")
    first = [panel for panel in made.panels if panel.group == made.panels[0].group]
    assert len(first) < len(made.panels)
    assert picture(made.panels) == picture(first)


@pytest.mark.parametrize("name", ALL)
def test_nothing_to_show_is_no_chart(name: str) -> None:
    assert ALL[name](frame([]), STUDY) is None


def test_an_unknown_estimate_is_left_out_of_the_drawing_but_not_of_the_table() -> None:
    rows = ROWS.with_columns(
        pl.when(pl.col("language") == "tl")
        .then(None)
        .otherwise(pl.col("estimate"))
        .alias("estimate")
    )
    made = chart("wait", rows)
    (panel,) = made.panels
    assert {panel.rows[int(p.x)] for s in panel.series for p in s.points} == {
        "English",
        "All languages",
    }
    assert "n/a" in {cell for row in data_table(made, STUDY).rows for cell in row}


def drawn(point: Point, kind: str = "dots") -> str:
    series = Series("base", variant_ink(STUDY, "base"), "o", (point,))
    return svg(Panel("p", kind, (series,), rows=("English",)), "p", "p")  # type: ignore[arg-type]


def test_the_interval_is_drawn() -> None:
    line = 'class="ci-v-base"'
    assert line in drawn(Point(0, 0.5, 0.4, 0.6))
    assert line not in drawn(Point(0, 0.5))
    assert drawn(Point(0, 0.5, 0.4, 0.6)) != drawn(Point(0, 0.5, 0.3, 0.6))


def test_the_band_of_a_curve_is_drawn() -> None:
    made = chart("accuracy")
    assert made.svg.count('class="cb-v-mitt"') == len(made.panels)


def test_ids_start_with_the_figure_s_name_and_are_unique() -> None:
    ids = [one for name in ALL for one in re.findall(r' id="([^"]+)"', chart(name).svg)]
    assert len(ids) == len(set(ids))
    accuracy = re.findall(r' id="([^"]+)"', chart("accuracy").svg)
    assert all(one.startswith("accuracy-natural-tokens-") for one in accuracy)
    used = re.findall(r'href="#([^"]+)"', chart("accuracy").svg)
    assert set(used) <= set(accuracy)


def test_a_dollar_sign_in_a_title_is_a_dollar_sign() -> None:
    assert "Costs $5 and $6" in chart("wait").svg


def test_the_comparison_that_matters_stands_first() -> None:
    groups = [panel.group for panel in chart("effects").panels]
    assert groups[0] == "mitt \u2212 own_prefix"
    assert [series.hollow for series in chart("effects").panels[0].series] == [False, True]


def test_panels_of_one_comparison_share_a_scale_that_holds_zero() -> None:
    for panel in chart("effects").panels:
        assert panel.limits is not None
        assert panel.limits[0] < 0 < panel.limits[1]


def test_effect_by_gap_joins_the_numbers_of_one_model_and_language() -> None:
    (panel,) = chart("gap").panels
    (series,) = panel.series
    (point,) = series.points
    at = {"model": "one", "language": "tl", "x": 0.0}
    gap = ROWS.filter(measure="gap_to_reference", variant="base", **at)["estimate"].item()
    effects = ROWS.filter(measure="effect", variant="mitt-minus-own_prefix", **at)
    assert (point.x, point.y) == (gap, effects["estimate"].item())
    assert series.tag == "tl"


def test_the_artefact_stands_beside_both_shares() -> None:
    made = chart("artefact")
    assert [panel.title for panel in made.panels] == ["Read as English", "langid's artefact"]
    labels = {series.label for series in made.panels[0].series}
    assert labels == {"all windows, raw label", "determined windows", "undetermined"}
    assert "artefact" in made.caption
    assert set(made.frame["language"]) == {"tl", "all"}


def test_the_reference_is_not_compared_with_itself() -> None:
    rows = chart("initial").frame.filter(measure="initial_to_english")
    assert set(rows["language"]) == {"tl"}
    made = agreement.along_the_thought(ROWS, STUDY, "to_english")
    assert made is not None and set(made.frame["language"]) == {"tl"}


def test_a_study_with_rolling_means_shows_them() -> None:
    rolling = STUDY.model_copy(update={"windows": STUDY.windows.model_copy(update={"rolling": 5})})
    made = agreement.along_the_thought(ROWS, rolling, "within")
    assert made is not None and set(made.frame["measure"]) == {"within_rolling"}
    assert "rolling mean over 5" in made.caption


def test_natural_and_forced_curves_are_two_figures() -> None:
    assert set(chart("accuracy").frame["curve"]) == {"natural"}
    assert set(chart("forced").frame["curve"]) == {"forced"}


def test_a_curve_table_has_budgets_across_and_says_what_it_leaves_out() -> None:
    many = [
        Maker(STUDY).row(
            "accuracy", "one", "base", "tl", 0.5, curve="natural", axis="tokens", x=32.0 * k
        )
        for k in range(1, 101)
    ]
    table = data_table(chart("accuracy", frame(many)), STUDY)
    assert table.head[:3] == ("Model", "Language", "Variant")
    assert table.head[-1] == "3200" and len(table.head) <= 3 + 16
    assert table.rows[0][-1] == "50.0 [43.0, 57.7]"
    assert "of 100 positions" in table.note


def test_long_lines_are_thinned_evenly_and_keep_their_end() -> None:
    line = tuple(Point(float(x), 0.5) for x in range(313))
    short = thinned(line)
    assert len(short) <= DRAWN_POINTS and short[-1] == line[-1]
    assert {b.x - a.x for a, b in zip(short, short[1:], strict=False)} == {5.0}
    assert thinned(line[:10]) == line[:10]


def test_points_come_in_order_of_x_and_infinite_bounds_are_no_interval() -> None:
    maker = Maker(STUDY)
    rows = [maker.row("accuracy", "one", "base", "tl", 0.5, x=x) for x in (64.0, 32.0)]
    rows[0]["high"] = math.inf
    first, last = points(frame(rows))
    assert (first.x, last.x) == (32.0, 64.0)
    assert first.has_interval and not last.has_interval


def test_end_labels_move_apart_and_stay_inside() -> None:
    placed = _spread([0.99, 0.98, 0.2], 0.1, 0.0, 1.0)
    assert placed[2] == 0.2
    assert placed[0] - placed[1] >= 0.1 - 1e-9 and max(placed) <= 1.0


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("ink", [ink for ink in INKS if ink not in (PAPER, GRID)])
def test_every_colour_has_contrast_in_both_themes(ink: Ink) -> None:
    wanted = 3.0 if ink.name == "undetermined" else 4.3
    assert contrast(ink.light, PAPER.light) >= wanted
    assert contrast(ink.dark, PAPER.dark) >= wanted


def test_colours_are_distinct_and_each_variant_and_language_keeps_its_own() -> None:
    assert len({ink.light for ink in INKS}) == len(INKS)
    study = load_study("organism")
    variants = {variant_ink(study, name) for name in study.variants}
    languages = {language_ink(study, name) for name in study.languages}
    assert len(variants) == len(study.variants) and len(languages) == len(study.languages)
    assert len({variant_marker(name) for name in study.variants}) == len(study.variants)
    assert language_ink(study, "undetermined").name == "undetermined"


def test_page_classes_stand_for_one_style_each() -> None:
    assert len(set(STYLES.values())) == len(STYLES)
