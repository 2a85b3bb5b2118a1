"""Every figure of the report: estimates in, a Chart out, or None where nothing was estimated.

All functions take a frame of the ESTIMATES table and the study. They choose rows and say what they
show; they compute nothing but, for the last figure, which two numbers belong to one point.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mitt_assets.reporting.agreement import initial_thoughts
from mitt_assets.reporting.chart import (
    BAND,
    Chart,
    Words,
    each_language,
    finite,
    make_chart,
    png,
    select,
)
from mitt_assets.reporting.key import Entry, colours_of, ends_of, markers_of
from mitt_assets.reporting.layout import (
    MINUS_NAME,
    after,
    curves_by_language,
    difference,
    dots_by_language,
    dots_by_measure,
    in_order,
)
from mitt_assets.reporting.panels import Panel, Point, Series
from mitt_assets.reporting.render import markdown_picture
from mitt_assets.reporting.style import (
    LEADING,
    MODEL_MARKERS,
    first_comparison,
    language_ink,
    language_name,
    model_title,
)
from mitt_assets.study import Study

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "accuracy",
    "curve_metrics",
    "effect_by_gap",
    "fidelity",
    "gain",
    "initial_thoughts",
    "lengths",
    "markdown_picture",
    "png",
    "variant_effects",
    "wait_effect",
]

AXES = {"tokens": "thinking tokens", "characters": "characters of thought", "steps": "steps"}
CURVES = {"natural": "as the model stops by itself", "forced": "with a forced Wait"}


def accuracy(
    frame: pl.DataFrame, study: Study, axis: str = "tokens", curve: str = "natural"
) -> Chart | None:
    """Accuracy by budget: a panel per model and language, a line per leading variant."""
    rows = each_language(select(frame, "accuracy", axis=axis, curve=curve, variant=LEADING))
    words = Words(
        f"accuracy-{curve}-{axis}",
        f"Accuracy by {AXES[axis]}, {CURVES[curve]}",
        "All traces count at every budget; one that ended earlier counts with the answer at its "
        f"end. Every panel has the same scale. {BAND}",
        "Further right is more thinking. A line that rises means longer thinking helps; compare "
        "slopes between languages, and lines within a panel only where their bands part.",
    )
    panels = curves_by_language(rows, study, x_label=AXES[axis], limits=(0.0, 1.0))
    return make_chart(words, panels, rows)


def gain(frame: pl.DataFrame, study: Study) -> Chart | None:
    """What longer thinking adds, in points and (the paper's "gain") relative to the start."""
    natural = select(frame, ["gain", "relative_gain"], curve="natural", variant=LEADING)
    panels = [
        *dots_by_language(
            select(natural, "gain"), study, x_label="percentage points", group="Gain"
        ),
        *dots_by_language(
            select(natural, "relative_gain"),
            study,
            x_label="% of the accuracy at the first budget",
            group="Relative gain",
        ),
    ]
    words = Words(
        "gain",
        "Gain from longer thinking",
        "Accuracy at the whole budget minus accuracy at the first checkpoint, in points and in per "
        f"cent of the latter. {BAND} A low start makes the ratio large and its interval wide.",
        "A dot right of zero: longer thinking helps in this language.",
        "points",
    )
    return make_chart(words, panels, natural)


def wait_effect(frame: pl.DataFrame, study: Study) -> Chart | None:
    """Accuracy after forced waits minus accuracy at the natural end."""
    rows = select(frame, "wait_effect", variant=LEADING)
    words = Words(
        "wait-effect",
        "What a forced Wait does",
        "Accuracy after a forced Wait minus accuracy at the natural end of the same traces, in "
        f"percentage points. {BAND}",
        "A dot right of zero whose bar does not touch zero: a forced Wait is a gain there.",
        "points",
    )
    return make_chart(words, dots_by_language(rows, study, x_label="percentage points"), rows)


def variant_effects(frame: pl.DataFrame, study: Study) -> Chart | None:
    """Paired differences between variants, the comparison that matters first."""
    declared = [MINUS_NAME.join(pair) for pair in study.statistics.comparisons]
    rows = select(frame, "effect")
    panels = []
    for name in in_order(declared, rows["variant"]):
        part = rows.filter(rows["variant"] == name)
        title = difference(name)
        panels += dots_by_language(part, study, x_label="percentage points", group=title)
    words = Words(
        "variant-effects",
        "Differences between variants",
        "Accuracy of one variant minus another's, paired by problem, in percentage points. "
        f"{BAND} The first comparison matters most: both sides share anchor and training.",
        "A gain is called a gain only if its bar excludes zero. With many languages and models, "
        "one bar in twenty excludes zero by chance.",
        "points",
    )
    ends = [after(waits) for waits in sorted(set(rows["x"].drop_nulls()))]
    return make_chart(words, panels, rows, ends_of(ends))


def fidelity(frame: pl.DataFrame, study: Study) -> Chart | None:
    """Accuracy and fidelity side by side: what an effect costs."""
    accurate = select(frame, "accuracy_end", curve="natural", variant=LEADING)
    faithful = select(frame, "fidelity", variant=LEADING)
    panels = []
    for model in study.models:
        for title, rows in (("Accuracy, natural end", accurate), ("Fidelity", faithful)):
            part = rows.filter(rows["model"] == model)
            drawn = dots_by_language(part, study, signed=False, limits=(0.0, 1.0))
            panels += [replace(one, title=title, group=model_title(study, model)) for one in drawn]
    words = Words(
        "fidelity",
        "Accuracy beside fidelity",
        "Accuracy at the natural end, and fidelity: the share of determined windows that are in "
        f"the question's language. {BAND}",
        "A variant that gains in accuracy and falls to zero in fidelity steers the language of "
        "the thought; it does not make the model reason better in that language.",
    )
    return make_chart(words, panels, accurate.vstack(faithful))


def curve_metrics(frame: pl.DataFrame, study: Study) -> Chart | None:
    """Control, scaling and performance of the forced curve (s1, arXiv 2501.19393)."""
    titles = {
        "performance": "Performance: highest accuracy",
        "scaling": "Scaling: mean slope per token",
        "control": "Control: runs within the budget",
    }
    rows = select(frame, list(titles), variant=LEADING, curve="forced")
    words = Words(
        "curve-metrics",
        "Metrics of budget forcing",
        "Of the curve with a forced Wait, as s1 (arXiv 2501.19393) defines them: the highest "
        "accuracy on the curve, the mean slope over all pairs of budgets, and the share of traces "
        f"within the budget. {BAND}",
        "Scaling right of zero: on the whole, more tokens mean more right answers.",
        "plain",
    )
    return make_chart(words, dots_by_measure(rows, study, titles), rows)


def lengths(frame: pl.DataFrame, study: Study) -> Chart | None:
    """Tokens, characters and steps per thought, by language."""
    titles = {f"thinking_{axis}": title.capitalize() for axis, title in AXES.items()}
    rows = select(frame, list(titles), variant=LEADING, curve="natural")
    panels = dots_by_measure(rows, study, titles)
    words = Words(
        "lengths",
        "How long a thought is",
        f"Mean per thought at its natural end. {BAND} A tokenizer spends more tokens on some "
        "languages: the same budget in tokens is less thought there.",
        "Compare languages in tokens with the same languages in characters and in steps.",
        "plain",
    )
    return make_chart(words, panels, rows)


def effect_by_gap(frame: pl.DataFrame, study: Study) -> Chart | None:
    """The first comparison's effect against the base's gap: a point per model and language."""
    pair = first_comparison(study)
    if pair is None:
        return None
    name = MINUS_NAME.join(pair)
    gaps = select(frame, "gap_to_reference", variant="base", curve="natural")
    effects = select(frame, "effect", variant=name, curve="natural")
    effects = effects.filter(effects["language"].is_in(gaps["language"].unique().to_list()))
    at = {(row["model"], row["language"]): row for row in gaps.iter_rows(named=True)}
    series = []
    for row in effects.sort("model", "language").iter_rows(named=True):
        gap = at.get((row["model"], row["language"]))
        if gap is None or gap["estimate"] is None or row["estimate"] is None:
            continue
        marker = MODEL_MARKERS[list(study.models).index(row["model"]) % len(MODEL_MARKERS)]
        label = f"{language_name(study, row['language'])}, {model_title(study, row['model'])}"
        point = _crossed(gap, row)
        ink = language_ink(study, row["language"])
        series.append(Series(label, ink, marker, (point,), tag=row["language"]))
    effect, reference = difference(name), language_name(study, study.statistics.reference)
    panel = Panel(
        f"{effect} by the base's gap",
        "scatter",
        tuple(series),
        x_label=f"base: language \u2212 {reference}, points",
        y_label=f"{effect}, points",
        signed=True,
        width=4.0,
    )
    words = Words(
        "effect-by-gap",
        "Does the effect follow the gap?",
        f"Across: accuracy of the base minus its accuracy in {reference}, at the natural end. Up: "
        f"accuracy of {effect}. One point per model and language; bars are intervals. The base's "
        "accuracy is on neither side of the effect, so its noise does not tie the axes together.",
        "Further left, the language trails more. Points that rise to the left: the variant helps "
        "where the gap is. Points along zero: it does not.",
        "points",
    )
    return make_chart(words, [panel], gaps.vstack(effects), _scatter_key(gaps, study))


def _scatter_key(rows: pl.DataFrame, study: Study) -> tuple[Entry, ...]:
    models = in_order(study.models, rows["model"])
    names = list(study.models)
    shapes = [
        (model_title(study, one), MODEL_MARKERS[names.index(one) % len(MODEL_MARKERS)])
        for one in models
    ]
    languages = in_order(study.languages, rows["language"])
    inks = [(language_name(study, one), language_ink(study, one)) for one in languages]
    return (*markers_of(shapes), *colours_of(inks))


def _crossed(gap: dict[str, float], effect: dict[str, float]) -> Point:
    return Point(
        finite(gap["estimate"]),
        finite(effect["estimate"]),
        finite(effect["low"]),
        finite(effect["high"]),
        finite(gap["low"]),
        finite(gap["high"]),
    )
