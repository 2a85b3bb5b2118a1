"""Numbers that the web interface plots over time, one line per asset, under names that stay."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mitt_assets.reporting.style import first_comparison

if TYPE_CHECKING:
    import polars as pl

    from mitt_assets.graph import Step
    from mitt_assets.study import Study

UNDETERMINED = "undetermined"
ALL = "all"
"""The language of an estimate over all languages."""
MINUS = "-minus-"
_HEADLINES = {
    "scaling": ("accuracy", "accuracy_end", {"curve": "natural"}),
    "variant_effects": ("effect", "effect", {"curve": "natural"}),
    "drift": ("drift share", "reference_share", {"axis": ""}),
    "consistency": ("first thoughts, within", "initial_within", {}),
    "tokens": ("thinking tokens", "thinking_tokens", {"curve": "natural"}),
}
"""Of each report: the name that is plotted, and the measure over all languages that it is."""


def numbers(
    study: Study, step: Step, own: Mapping[str, str], frame: pl.DataFrame | None
) -> dict[str, float]:
    """The numbers of one partition that its step does not tell itself; none that is not finite."""
    if frame is None or step.table is None:
        return {}
    found: dict[str, Any] = {}
    if step.table == "windows":
        found = {"drift share": drift_share(frame, own["language"])}
    elif step.table == "estimates":
        found = _headline(study, step.asset.rpartition("/")[2], frame)
    return finite(found)


def drift_share(windows: pl.DataFrame, language: str) -> float | None:
    """The share of determined windows that are not in the language of the question."""
    labels = windows.filter(windows["label"] != UNDETERMINED)["label"]
    return float((labels != language).sum()) / labels.len() if labels.len() else None


def finite(values: Mapping[str, Any]) -> dict[str, float]:
    """Without what is missing, NaN or infinite, which the web interface cannot read."""
    return {
        name: float(value)
        for name, value in values.items()
        if value is not None and math.isfinite(value)
    }


def _headline(study: Study, report: str, frame: pl.DataFrame) -> dict[str, Any]:
    """The mean over models of the report's first number: of the base or the first comparison."""
    import polars as pl

    if report not in _HEADLINES:
        return {}
    name, measure, more = _HEADLINES[report]
    pair = first_comparison(study)
    variant = MINUS.join(pair or ()) if report == "variant_effects" else "base"
    rows = frame.filter(
        measure=measure,
        language=ALL,
        variant=variant,
        **{key: pl.lit(v) for key, v in more.items()},
    )
    return {name: rows["estimate"].mean()}
