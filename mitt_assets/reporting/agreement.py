"""Figures of agreement: how alike thoughts are, and if languages get the same problems right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mitt_assets.reporting.chart import (
    BAND,
    Chart,
    Words,
    each_language,
    make_chart,
    points,
    select,
)
from mitt_assets.reporting.layout import (
    common_limits,
    curves_by_language,
    dots_by_measure,
    in_order,
)
from mitt_assets.reporting.panels import Panel, Series
from mitt_assets.reporting.style import (
    LEADING,
    language_name,
    model_title,
    variant_ink,
    variant_marker,
)
from mitt_assets.study import Study

if TYPE_CHECKING:
    import polars as pl


def along_the_thought(frame: pl.DataFrame, study: Study, measure: str) -> Chart | None:
    """``within`` (between samples) or ``to_english``, by position; rolling if the study says so."""
    rolling = study.windows.rolling > 1
    shown = f"{measure}_rolling" if rolling else measure
    rows = each_language(select(frame, shown, axis="segment", variant=LEADING))
    rows = without_self(rows, study)
    reference = language_name(study, study.statistics.reference)
    what = "between samples" if measure == "within" else f"to {reference}"
    mean = f", rolling mean over {study.windows.rolling} segments" if rolling else ""
    words = Words(
        f"consistency-{measure.replace('_', '-')}",
        f"Similarity {what} along the thought",
        f"Mean cosine {what}, by relative position in the thought{mean}. {BAND}",
        "Higher is more alike. The first position tells how alike first thoughts are.",
        "plain",
    )
    panels = curves_by_language(rows, study, x_label="position in the thought", percent=False)
    return make_chart(words, panels, rows)


def without_self(rows: pl.DataFrame, study: Study) -> pl.DataFrame:
    """Without the reference language's similarity to itself, and means that hold it."""
    itself = rows["language"].is_in([study.statistics.reference, "all"])
    return rows.filter(~(rows["measure"].str.contains("to_english") & itself))


def initial_thoughts(frame: pl.DataFrame, study: Study) -> Chart | None:
    """Agreement of first thoughts: with each other, with the reference, in their language."""
    reference = language_name(study, study.statistics.reference)
    titles = {
        "initial_within": "Similarity between samples",
        "initial_to_english": f"Similarity to {reference}",
        "initial_agreement": "Agreement on the language",
    }
    rows = without_self(select(frame, list(titles), variant=LEADING), study)
    words = Words(
        "initial-thoughts",
        "How alike first thoughts are",
        "The first window of each thought: mean cosine between samples of one problem, cosine to "
        f"{reference}, and the share of pairs of samples in the same language. {BAND}",
        "Further right is more alike.",
        "plain",
    )
    return make_chart(words, dots_by_measure(rows, study, titles), rows)


def across_languages(frame: pl.DataFrame, study: Study) -> Chart | None:
    """Fleiss' kappa with languages as raters: are the same problems right in all of them?"""
    rows = select(frame, "fleiss_kappa", variant=LEADING, curve="natural")
    models = in_order(study.models, rows["model"])
    series = []
    for name in in_order(study.variants, rows["variant"]):
        found = [
            point
            for number, model in enumerate(models)
            for point in points(
                rows.filter(rows["variant"] == name, rows["model"] == model), {"all": number}
            )
        ]
        ink, marker = variant_ink(study, name), variant_marker(name)
        series.append(Series(name, ink, marker, tuple(found)))
    panel = Panel(
        "Fleiss' kappa",
        "dots",
        tuple(series),
        rows=tuple(model_title(study, model) for model in models),
        percent=False,
        signed=True,
        limits=common_limits(rows, zero=True),
        width=4.0,
    )
    words = Words(
        "kappa",
        "Do languages get the same problems right?",
        "Fleiss' kappa at the natural end, languages as raters of right or wrong "
        f"(arXiv 2502.17407). {BAND}",
        "1: every problem is right in all languages or in none. 0: no more agreement than chance.",
        "plain",
    )
    return make_chart(words, [panel], rows)
