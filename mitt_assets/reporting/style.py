"""Colours and markers: the same variant and the same language look the same in every figure.

Charts are drawn in the light colours below; in the page each of them becomes a CSS variable, so
that dark mode is a change of variables and not a second drawing. Every colour has at least 3:1
contrast to its background, and every series also has its own marker or label: colour is never the
only sign.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mitt_assets.reporting.wording import plain
from mitt_assets.study import Study


@dataclass(frozen=True)
class Ink:
    """A colour: its CSS variable, and its value on a light and on a dark page."""

    name: str
    light: str
    dark: str


TEXT = Ink("ink", "#1c2530", "#e8ebef")
MUTED = Ink("muted", "#566270", "#a5aeba")
GRID = Ink("grid", "#dde2e8", "#343c47")
PAPER = Ink("paper", "#fffffe", "#14181d")
UNDETERMINED = Ink("undetermined", "#7b828c", "#8d959f")
ALARM = Ink("alarm", "#b3161f", "#ff7b7b")
OTHER = Ink("other", "#8c6d57", "#c3a48d")

_VARIANTS = {
    "base": Ink("v-base", "#49525e", "#c2c9d2"),
    "mitt": Ink("v-mitt", "#c4420d", "#fb8f4d"),
    "own_prefix": Ink("v-own-prefix", "#1c6db4", "#62b1f5"),
    "mitt_source": Ink("v-mitt-source", "#96690a", "#e3b341"),
    "english_full_trace": Ink("v-english-full-trace", "#10746b", "#3fcdbc"),
    "english_prefix": Ink("v-english-prefix", "#983b8b", "#e48fd8"),
}
_MORE_VARIANTS = (
    Ink("v-extra-1", "#5d6d00", "#bccb4e"),
    Ink("v-extra-2", "#6b54b8", "#b3a3f0"),
    Ink("v-extra-3", "#a33a4b", "#f1919e"),
    Ink("v-extra-4", "#2f7a3a", "#7fd08a"),
)
_MARKERS = {
    "base": "o",
    "mitt": "D",
    "own_prefix": "s",
    "mitt_source": "^",
    "english_full_trace": "v",
    "english_prefix": "P",
}
MODEL_MARKERS = ("o", "s", "D", "^", "v", "P", "X", "p")
_LANGUAGES = (
    Ink("l-1", "#2e6cb5", "#6fb0f2"),
    Ink("l-2", "#28884a", "#63cb86"),
    Ink("l-3", "#997302", "#e2bb3f"),
    Ink("l-4", "#c7405b", "#f58ba0"),
    Ink("l-5", "#7c4bb2", "#bf9bee"),
    Ink("l-6", "#02808d", "#45cbd8"),
    Ink("l-7", "#b0550f", "#f2a264"),
    Ink("l-8", "#5b6b12", "#bcca5f"),
)

INKS: tuple[Ink, ...] = (
    TEXT,
    MUTED,
    GRID,
    PAPER,
    UNDETERMINED,
    OTHER,
    ALARM,
    *_VARIANTS.values(),
    *_MORE_VARIANTS,
    *_LANGUAGES,
)
LEADING = ("base", "mitt", "own_prefix")
"""Variants drawn in curves; the others are in the forest plot and in the tables."""


def first_comparison(study: Study) -> tuple[str, str] | None:
    """The comparison that matters: the first declared, else the first variant minus the base."""
    if study.statistics.comparisons:
        return study.statistics.comparisons[0]
    others = [name for name in study.variants if name != "base"]
    return (others[0], "base") if others and "base" in study.variants else None


def variant_ink(study: Study, variant: str) -> Ink:
    """The colour of a variant: fixed for the known names, by order in the study for others."""
    if variant in _VARIANTS:
        return _VARIANTS[variant]
    others = [name for name in study.variants if name not in _VARIANTS]
    return _in_turn(_MORE_VARIANTS, others, variant)


def variant_marker(variant: str) -> str:
    """The marker of a variant."""
    return _MARKERS.get(variant, "X")


def language_ink(study: Study, language: str) -> Ink:
    """The colour of a language, by its order in the study; grey for undetermined windows."""
    if language == "undetermined":
        return UNDETERMINED
    if language not in study.languages:
        return OTHER
    return _in_turn(_LANGUAGES, list(study.languages), language)


def language_name(study: Study, language: str) -> str:
    """The English name of a language of the study, else what was given."""
    if language == "all":
        return "All languages"
    known = study.languages.get(language)
    return plain(known.name) if known else plain(language)


def model_title(study: Study, model: str) -> str:
    """A model's name in figures."""
    known = study.models.get(model)
    return plain((known.title or model) if known else model)


def variables(theme: str) -> str:
    """CSS declarations of all colours for ``light`` or ``dark``."""
    return " ".join(f"--{ink.name}: {getattr(ink, theme)};" for ink in INKS)


def by_light_colour() -> Mapping[str, str]:
    """Light colour to the CSS variable that replaces it in a page."""
    return {ink.light: f"var(--{ink.name})" for ink in INKS}


def _in_turn(inks: Sequence[Ink], names: Sequence[str], name: str) -> Ink:
    position = names.index(name) if name in names else len(names)
    return inks[position % len(inks)]
