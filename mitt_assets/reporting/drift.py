"""Figures of drift: the language of the thought, and how much of it is langid's artefact.

A window with few words is called English whatever it says. Each share of English is therefore shown
by the raw labels of all windows and by determined windows alone, and the difference has its name.
"""

from __future__ import annotations

from dataclasses import replace
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
from mitt_assets.reporting.layout import dots_by_language, in_order
from mitt_assets.reporting.panels import Panel, Series
from mitt_assets.reporting.style import (
    LEADING,
    OTHER,
    UNDETERMINED,
    language_ink,
    language_name,
    model_title,
)
from mitt_assets.study import Study

if TYPE_CHECKING:
    import polars as pl

INTRODUCTION = (
    "langid calls a window with few words English whatever it says. Windows below the minimum of "
    "words are undetermined; shares are shown with and without them, and the difference between "
    "the two is langid's artefact, not drift."
)
SHARES = ("prompt_share", "reference_share", "other_share")


def figures(frame: pl.DataFrame, study: Study) -> list[Chart | None]:
    """All figures of drift, in order."""
    shown = [name for name in LEADING[:2] if name in study.variants]
    return [
        first_thoughts(frame, study),
        *(along_the_thought(frame, study, name) for name in shown),
        artefact(frame, study),
    ]


def first_thoughts(frame: pl.DataFrame, study: Study) -> Chart | None:
    """How often the first window is in the reference language, per variant."""
    reference = language_name(study, study.statistics.reference)
    rows = select(frame, "initial_reference_share", variant=LEADING)
    words = Words(
        "first-thoughts",
        f"First thoughts in {reference}",
        f"Share of first windows that are in {reference}, among determined ones. {BAND} All "
        f"languages: without {reference}.",
        f"Further right, more thoughts begin in {reference} under prompts of another language.",
    )
    panels = dots_by_language(rows, study, signed=False, limits=(0.0, 1.0))
    return make_chart(words, panels, rows)


def along_the_thought(frame: pl.DataFrame, study: Study, variant: str) -> Chart | None:
    """Shares of own, reference and other languages by position, determined windows only."""
    rows = each_language(select(frame, list(SHARES), axis="segment", variant=variant))
    reference = language_name(study, study.statistics.reference)
    panels = []
    for model in in_order(study.models, rows["model"]):
        for language in in_order(study.languages, rows["language"]):
            part = rows.filter(rows["model"] == model, rows["language"] == language)
            panel = Panel(
                language_name(study, language),
                "curve",
                _shares(part, study, language),
                x_label="position in the thought",
                limits=(0.0, 1.0),
                whole=True,
                group=model_title(study, model),
            )
            panels.append(panel)
    words = Words(
        f"drift-{variant.replace('_', '-')}",
        f"Language along the thought, {variant}",
        "Shares of determined windows by relative position: in the prompt's language, in "
        f"{reference}, in another one. {BAND}",
        f"Drift: the line of {reference} rises from left to right. Where it is high from the "
        "start, the first thought decided, and that is no drift.",
    )
    return make_chart(words, panels, rows)


def _shares(rows: pl.DataFrame, study: Study, language: str) -> tuple[Series, ...]:
    reference = study.statistics.reference
    inks = (
        ("prompt_share", language_name(study, language), language_ink(study, language), "o"),
        ("reference_share", language_name(study, reference), language_ink(study, reference), "s"),
        ("other_share", "other", OTHER, "^"),
    )
    made = (
        Series(label, ink, marker, points(select(rows, measure)))
        for measure, label, ink, marker in inks
    )
    return tuple(one for one in made if one.points)


def artefact(frame: pl.DataFrame, study: Study) -> Chart | None:
    """The reference language's share with and without undetermined windows, and what is between."""
    measures = ["raw_reference_share", "reference_share", "undetermined_share", "artefact"]
    rows = select(frame, measures, axis="", variant="base")
    rows = rows.filter(rows["language"] != study.statistics.reference)
    reference = language_name(study, study.statistics.reference)
    panels = []
    for model in in_order(study.models, rows["model"]):
        part, group = rows.filter(rows["model"] == model), model_title(study, model)
        panels.append(replace(_with_and_without(part, study), group=group))
        panels += [
            replace(one, title="langid's artefact", group=group, x_label="percentage points")
            for one in dots_by_language(select(part, "artefact"), study)
        ]
    words = Words(
        "artefact",
        f"{reference} with and without undetermined windows",
        f"Base, whole thought. Left: the share of windows read as {reference} by raw label (all "
        "windows) and among determined ones, and the share that is undetermined. Right: the "
        f"artefact, raw minus determined. {BAND} All languages: without {reference}.",
        "What lies between the two marks on the left is no drift: it is langid's answer to windows "
        f"without words. A study that counts all windows reports it as {reference}.",
    )
    return make_chart(words, panels, rows)


def _with_and_without(rows: pl.DataFrame, study: Study) -> Panel:
    languages = in_order(study.languages, rows["language"])
    languages += ["all"] if "all" in set(rows["language"]) else []
    position = {language: number for number, language in enumerate(languages)}
    reference = language_ink(study, study.statistics.reference)
    kinds = (
        ("raw_reference_share", "all windows, raw label", UNDETERMINED, "s"),
        ("reference_share", "determined windows", reference, "o"),
        ("undetermined_share", "undetermined", OTHER, "^"),
    )
    series = tuple(
        Series(label, ink, marker, points(select(rows, measure), position))
        for measure, label, ink, marker in kinds
    )
    return Panel(
        f"Read as {language_name(study, study.statistics.reference)}",
        "dots",
        series,
        rows=tuple(language_name(study, one) for one in languages),
        limits=(0.0, 1.0),
    )
