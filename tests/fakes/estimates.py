"""Frames of the ESTIMATES table with the names the real estimates have, made from fixed numbers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import polars as pl

from mitt_assets.study import Study
from mitt_assets.study_file import parse
from mitt_assets.tables import ESTIMATES

Row = dict[str, Any]


SMALL = """
name: small
title: A small study of <two> languages
languages:
  en: {name: English, level: high, wait: Wait}
  tl: {name: Tagalog, level: low, wait: Sandali}
models:
  one: {source: "organism:one", title: Costs $5 and $6}
problems: {answer: {low: 0, high: 60}}
generation: {budget: 512, waits: 1}
windows: {segments: 4, rolling: 1, candidates: [en, tl]}
encoder: {source: organism}
variants:
  base: {title: as it is}
  mitt:
    recipe: {source_languages: [en], prompt_languages: [en, tl], whole_share: 0.25}
  own_prefix:
    recipe: {source_languages: [en, tl], prompt_languages: own, whole_share: 0.25}
statistics:
  comparisons: [[mitt, own_prefix], [mitt, base]]
"""


def small_study() -> Study:
    """Two languages, one model, three variants: a page of it is made in a second or two."""
    return parse(SMALL)


class Maker:
    """Draws plausible estimates; a low-resource language starts lower and MITT lifts it."""

    def __init__(self, study: Study, seed: int = 1) -> None:
        self.study = study
        self.draw = random.Random(seed)

    def row(
        self,
        measure: str,
        model: str,
        variant: str,
        language: str,
        value: float,
        *,
        width: float = 0.07,
        curve: str = "",
        axis: str = "",
        x: float | None = None,
        source: str = "probes",
    ) -> Row:
        """One row with an interval around ``value``."""
        return {
            "measure": measure,
            "model": model,
            "variant": variant,
            "language": language,
            "curve": curve,
            "axis": axis,
            "x": x,
            "estimate": value,
            "low": value - width,
            "high": value + width * 1.1,
            "problems": 120,
            "rows": 240,
            "source": f"{variant}/{source}",
            "filter": f'{{"language": "{language}", "model": "{model}"}}',
        }

    def conditions(self) -> Iterator[tuple[str, str, str, float]]:
        """Model, variant, language (and all), and a level between 0 and 1."""
        languages = [*self.study.languages, "all"]
        for m, model in enumerate(self.study.models):
            for variant in self.study.variants:
                for number, language in enumerate(languages):
                    lift = 0.18 if variant == "mitt" and language in ("vi", "tl") else 0.0
                    drop = 0.09 * number if language != "all" else 0.2
                    level = 0.9 - drop * (1 if m % 2 == 0 else 0.3) + lift
                    yield model, variant, language, level + self.draw.uniform(-0.03, 0.03)

    def pairs(self) -> Iterator[tuple[str, str, str, float]]:
        """Model, pair of variants, language, and an effect."""
        for m, model in enumerate(self.study.models):
            for pair in self.study.statistics.comparisons:
                for language in [*self.study.languages, "all"]:
                    strong = pair[0] == "mitt" and language in ("vi", "tl") and m % 2 == 0
                    effect = (0.17 if strong else 0.0) + self.draw.uniform(-0.05, 0.05)
                    yield model, "-minus-".join(pair), language, effect

    def scaling(self) -> pl.DataFrame:
        """Accuracy curves, ends, waits, gaps, gains and s1's numbers."""
        return frame([row for one in self.conditions() for row in self._scaling(*one)])

    def _scaling(self, model: str, variant: str, language: str, level: float) -> Iterator[Row]:
        place = (model, variant, language)
        for curve in ("natural", "forced"):
            for axis, scale in (("tokens", 1.0), ("characters", 3.1), ("steps", 0.05)):
                for k in range(1, 17):
                    more = 0.04 if curve == "forced" and k > 10 else 0.0
                    value = min(level * (1 - 2.0 ** (-k / 3)) + more, 0.97)
                    yield self.row(
                        "accuracy",
                        *place,
                        value,
                        width=0.05,
                        curve=curve,
                        axis=axis,
                        x=32.0 * k * scale,
                    )
            yield self.row("gain", *place, level * 0.6, curve=curve)
            yield self.row("relative_gain", *place, level * 2.9, width=0.5, curve=curve)
            yield self.row("control", *place, 1.0, width=0.0, curve=curve)
            yield self.row("scaling", *place, 0.0016, width=0.0002, curve=curve)
            yield self.row("performance", *place, level, curve=curve)
        wait = self.draw.uniform(-0.03, 0.11)
        yield self.row("accuracy_end", *place, level, curve="natural", x=0.0)
        yield self.row("accuracy_end", *place, level + wait, curve="forced", x=1.0)
        yield self.row("wait_effect", *place, wait, width=0.04, curve="forced", x=1.0)
        if language not in (self.study.statistics.reference, "all"):
            for x, curve in ((0.0, "natural"), (1.0, "forced")):
                yield self.row("gap_to_reference", *place, level - 0.9, curve=curve, x=x)

    def variant_effects(self) -> pl.DataFrame:
        """Effects of pairs, and fidelity."""
        rows = []
        for model, pair, language, effect in self.pairs():
            for x, curve in ((0.0, "natural"), (1.0, "forced")):
                rows.append(self.row("effect", model, pair, language, effect, curve=curve, x=x))
            fall = -0.5 if pair.startswith("mitt-") and language != "en" else 0.0
            rows.append(self.row("fidelity_effect", model, pair, language, fall))
        for model, variant, language, level in self.conditions():
            english = variant == "mitt" and language != "en"
            value = 0.04 if english else min(level, 0.98)
            for measure in ("fidelity", "initial_fidelity"):
                rows.append(self.row(measure, model, variant, language, value, width=0.03))
        return frame(rows)

    def drift(self) -> pl.DataFrame:
        """Shares of languages by segment, for the whole thought and the first window."""
        return frame([row for one in self.conditions() for row in self._drift(*one)])

    def _drift(self, model: str, variant: str, language: str, level: float) -> Iterator[Row]:
        reference = self.study.statistics.reference
        english = 0.95 if variant == "mitt" else 1 - level
        spots = [("", "", None), ("initial_", "", None)]
        spots += [("", "segment", float(s)) for s in range(self.study.windows.segments)]
        for prefix, axis, x in spots:
            rise = 0.04 * (x or 0)
            shares = {
                "prompt_share": 1 - english - rise,
                "other_share": 0.02,
                "undetermined_share": 0.12,
            }
            if language != reference:
                shares |= {
                    "reference_share": english + rise - 0.02,
                    "artefact": 0.09,
                    "raw_reference_share": english + rise + 0.07,
                }
            for measure, value in shares.items():
                inside = min(max(value, 0.0), 1.0)
                yield self.row(
                    prefix + measure,
                    model,
                    variant,
                    language,
                    inside,
                    width=0.02,
                    axis=axis,
                    x=x,
                    source="windows",
                )

    def consistency(self) -> pl.DataFrame:
        """Similarities by segment, for first thoughts, and kappa."""
        return frame([row for one in self.conditions() for row in self._consistency(*one)])

    def _consistency(self, model: str, variant: str, language: str, level: float) -> Iterator[Row]:
        place = (model, variant, language)
        for measure in ("within", "to_english", "within_rolling", "to_english_rolling"):
            for segment in range(self.study.windows.segments):
                yield self.row(
                    measure,
                    *place,
                    level - 0.03 * segment,
                    width=0.02,
                    axis="segment",
                    x=float(segment),
                    source="consistency",
                )
        for measure in ("initial_within", "initial_to_english", "initial_agreement"):
            yield self.row(measure, *place, level, width=0.03, source="consistency")
        if language == "all":
            yield self.row("fleiss_kappa", *place, level / 2, curve="natural", x=0.0)

    def tokens(self) -> pl.DataFrame:
        """What a thought costs."""
        rows = []
        for model, variant, language, level in self.conditions():
            place = (model, variant, language)
            for curve in ("natural", "forced"):
                for measure, value in (
                    ("tokens", 290 - 150 * level),
                    ("characters", 520.0),
                    ("steps", 7.5),
                ):
                    rows.append(
                        self.row(
                            f"thinking_{measure}",
                            *place,
                            value,
                            width=value / 20,
                            curve=curve,
                            source="traces",
                        )
                    )
                rows.append(self.row("tokens_to_reference", *place, 1.7 - level, curve=curve))
        return frame(rows)

    def all(self) -> dict[str, pl.DataFrame]:
        """Every report that is a table of estimates."""
        return {
            "reports/scaling": self.scaling(),
            "reports/variant_effects": self.variant_effects(),
            "reports/drift": self.drift(),
            "reports/consistency": self.consistency(),
            "reports/tokens": self.tokens(),
        }


def frame(rows: list[Row]) -> pl.DataFrame:
    """Rows as a frame of ESTIMATES."""
    return pl.DataFrame(rows, schema=ESTIMATES.schema())
