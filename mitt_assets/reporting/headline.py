"""The study's question answered in a few computed sentences, and the key table by language.

A gain is called a gain only if its interval excludes zero, a loss likewise; everything else is "no
difference shown", and that is said as plainly. No sentence here is written by hand for a result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mitt_assets.reporting.chart import select
from mitt_assets.reporting.layout import MINUS_NAME, in_order
from mitt_assets.reporting.style import first_comparison, language_name, model_title
from mitt_assets.reporting.wording import excludes_zero, interval, listed, number
from mitt_assets.study import Study

if TYPE_CHECKING:
    import polars as pl

MISSING = "Not estimated: the rows it needs are not there."
FEWEST = 10
"""Problems below which no sentence is made: resampling so few gives intervals that are too narrow
(our choice)."""
NAMED = 4
"""Results named in one sentence; the rest are counted, and stand in the figures."""


@dataclass(frozen=True)
class Sentence:
    """A question of the study and its answer; ``tone`` is gain, loss, mixed, null or missing."""

    question: str
    answer: str
    tone: str
    largest: str = ""


@dataclass(frozen=True)
class KeyTable:
    """The main numbers of one model: a row per language, each cell with its interval."""

    model: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def headline(frame: pl.DataFrame, study: Study) -> list[Sentence]:
    """The answers, in the order of the study's questions."""
    base_gap = select(frame, "gap_to_reference", variant="base", curve="natural")
    sentences = [
        _sentence(
            "Does longer thinking help?",
            select(frame, "gain", variant="base", curve="natural"),
            study,
            "Thinking longer",
        ),
        _sentence(
            "Does a forced Wait help?",
            select(frame, "wait_effect", variant="base", x=1.0),
            study,
            "A forced Wait",
        ),
        _gap(base_gap, study),
        *_comparison(frame, study),
        *_price(frame, study),
    ]
    return sentences


def _matters(study: Study) -> list[tuple[str, str]]:
    pair = first_comparison(study)
    return [pair] if pair else []


def _comparison(frame: pl.DataFrame, study: Study) -> list[Sentence]:
    """The first declared comparison: the one that matters."""
    answers = []
    for this, that in _matters(study):
        name = f"{this}{MINUS_NAME}{that}"
        rows = select(frame, "effect", variant=name, curve="natural")
        question = f"Does {this} help, beside {that}?"
        what = f"{this} \u2212 {that} at the natural end"
        answers.append(_sentence(question, rows, study, what))
    return answers


def _sentence(question: str, rows: pl.DataFrame, study: Study, what: str) -> Sentence:
    """Count and name the gains and losses among ``rows``."""
    found = _estimated(rows, study)
    if not found:
        return _nothing(question, rows)
    gains = [row for row in found if excludes_zero(row["low"], row["high"]) > 0]
    losses = [row for row in found if excludes_zero(row["low"], row["high"]) < 0]
    rest = len(found) - len(gains) - len(losses)
    cases = _cases(found)
    if not gains and not losses:
        text = (
            f"No difference shown. {what} changes accuracy in none of {cases}: every interval "
            "includes zero."
        )
        return Sentence(question, text, "null")
    parts = []
    if gains:
        parts.append(f"a gain in {len(gains)}")
    if losses:
        parts.append(f"a loss in {len(losses)}")
    if rest:
        parts.append(f"no difference shown in {rest}, where the interval includes zero")
    tone = "mixed" if gains and losses else "gain" if gains else "loss"
    largest = [_named(gains, study, 1, "gain"), _named(losses, study, -1, "loss")]
    text = f"{what}, over {cases}: {listed(parts)}."
    return Sentence(question, text, tone, " ".join(one for one in largest if one))


def _nothing(question: str, rows: pl.DataFrame) -> Sentence:
    """No sentence: there are no rows, or they rest on too few problems."""
    few = rows.height and 0 < max(rows["problems"]) < FEWEST
    text = f"Too few problems to say: it takes at least {FEWEST}." if few else MISSING
    return Sentence(question, text, "missing")


def _cases(found: Sequence[Mapping[str, Any]]) -> str:
    models = len({row["model"] for row in found})
    languages = len({row["language"] for row in found})
    if models == 1:
        return f"{languages} language{'s' if languages > 1 else ''}"
    return f"{len(found)} pairs of model and language"


def _estimated(rows: pl.DataFrame, study: Study) -> list[dict[str, Any]]:
    """Rows with an estimate and enough problems, one language each, in the study's order."""
    languages = list(study.languages)
    kept = [
        row
        for row in rows.iter_rows(named=True)
        if row["language"] in languages
        and number(row["estimate"]) != "n/a"
        and row["problems"] >= FEWEST
    ]
    models = list(study.models)

    def place(row: Mapping[str, Any]) -> tuple[int, int]:
        known = models.index(row["model"]) if row["model"] in models else len(models)
        return known, languages.index(row["language"])

    return sorted(kept, key=place)


def _named(rows: Sequence[Mapping[str, Any]], study: Study, sign: int, kind: str) -> str:
    """The largest results with their intervals, in percentage points."""
    if not rows:
        return ""
    largest = sorted(rows, key=lambda row: -sign * row["estimate"])[:NAMED]
    several = len({row["model"] for row in rows}) > 1
    said = "; ".join(_case(row, study, several) for row in largest)
    which = f"Largest {kind}" if len(rows) > len(largest) else kind.capitalize()
    return f"{which}, in percentage points: {said}."


def _case(row: Mapping[str, Any], study: Study, with_model: bool) -> str:
    name = language_name(study, row["language"])
    place = f"{name}, {model_title(study, row['model'])}" if with_model else name
    span = interval(row["low"], row["high"], "points")
    return f"{place}: {number(row['estimate'], 'points')} {span}"


def _gap(rows: pl.DataFrame, study: Study) -> Sentence:
    """Where the base trails the reference language."""
    reference = language_name(study, study.statistics.reference)
    question = f"How far do other languages trail {reference}?"
    found = [
        row for row in _estimated(rows, study) if row["language"] != study.statistics.reference
    ]
    if not found:
        return _nothing(question, rows)
    behind = [row for row in found if excludes_zero(row["low"], row["high"]) < 0]
    cases = _cases(found)
    if not behind:
        text = f"No gap shown: in none of {cases} is the interval of the base's gap below zero."
        return Sentence(question, text, "null")
    text = f"The base trails in {len(behind)} of {cases}: there the whole interval is below zero."
    return Sentence(question, text, "loss", _named(behind, study, -1, "gap"))


def _price(frame: pl.DataFrame, study: Study) -> list[Sentence]:
    """What the first variant of the first comparison does to fidelity."""
    if not _matters(study):
        return []
    variant = _matters(study)[0][0]
    question = f"What does {variant} cost?"
    pair = f"{variant}{MINUS_NAME}base"
    rows = select(frame, "fidelity_effect", variant=pair)
    others = [
        row for row in _estimated(rows, study) if row["language"] != study.statistics.reference
    ]
    if not others:
        return [_nothing(question, rows)]
    falls = [row for row in others if excludes_zero(row["low"], row["high"]) < 0]
    what = "Fidelity, the share of the thought in the question's language,"
    if not falls:
        text = f"{what} falls in none of {_cases(others)}: no interval is below zero."
        return [Sentence(question, text, "null")]
    text = f"{what} falls in {len(falls)} of {_cases(others)}."
    return [Sentence(question, text, "loss", _named(falls, study, -1, "fall"))]


def key_tables(frame: pl.DataFrame, study: Study) -> list[KeyTable]:
    """One table per model with accuracy, wait effect, fidelity, gap and the first comparison."""
    columns = _columns(study)
    tables = []
    for model in in_order(study.models, frame["model"]):
        part = frame.filter(frame["model"] == model)
        rows = [_key_row(part, study, language, columns) for language in (*study.languages, "all")]
        kept = tuple(row for row in rows if any(cell not in ("", "n/a") for cell in row[1:]))
        if kept:
            head = ("Language", *(column[0] for column in columns), "Problems")
            tables.append(KeyTable(model_title(study, model), head, kept))
    return tables


Column = tuple[str, str, str, dict[str, Any]]
"""Heading, measure, unit, and the values that select its row."""


def _columns(study: Study) -> list[Column]:
    natural = {"curve": "natural"}
    columns: list[Column] = [
        ("Base: accuracy, natural end", "accuracy_end", "share", {"variant": "base", **natural}),
        (
            f"Base: gap to {language_name(study, study.statistics.reference)}",
            "gap_to_reference",
            "points",
            {"variant": "base", **natural},
        ),
        ("Base: one forced Wait", "wait_effect", "points", {"variant": "base", "x": 1.0}),
        ("Base: fidelity", "fidelity", "share", {"variant": "base"}),
    ]
    for this, that in _matters(study):
        pair = {"variant": f"{this}{MINUS_NAME}{that}", **natural}
        columns.append((f"{this} \u2212 {that}", "effect", "points", pair))
        columns.append((f"{this}: fidelity", "fidelity", "share", {"variant": this}))
    return columns


def _key_row(
    part: pl.DataFrame, study: Study, language: str, columns: Sequence[Column]
) -> tuple[str, ...]:
    cells, counts = [], []
    for _, measure, unit, equal in columns:
        rows = select(part, measure, language=language, **equal)
        row = rows.row(0, named=True) if rows.height else None
        known = row is not None and number(row["estimate"]) != "n/a"
        if row is None or not known:
            cells.append("")
            continue
        counts.append(row["problems"])
        value = number(row["estimate"], unit).removesuffix(" %")
        cells.append(f"{value} {interval(row['low'], row['high'], unit)}")
    spread = f"{min(counts)} to {max(counts)}" if len(set(counts)) > 1 else str(*counts[:1])
    return (language_name(study, language), *cells, spread if counts else "")
