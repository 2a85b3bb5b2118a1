"""What the page says, in order: everything the template places, ready and in plain data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mitt_assets.lineage import canonical
from mitt_assets.reporting import agreement, charts, drift
from mitt_assets.reporting.assumptions import Assumption, assumptions, grouped
from mitt_assets.reporting.chart import Chart
from mitt_assets.reporting.data_table import DataTable, Download, data_table, download
from mitt_assets.reporting.headline import KeyTable, Sentence, headline, key_tables
from mitt_assets.reporting.ingredients import PlainTable, ingredient_tables
from mitt_assets.reporting.notes import caveats, method_notes
from mitt_assets.reporting.samples import ANSWER, SampleTrace
from mitt_assets.reporting.style import language_ink, language_name, model_title
from mitt_assets.study import Study
from mitt_assets.study_file import show
from mitt_assets.tables import ESTIMATES, empty

if TYPE_CHECKING:
    import polars as pl
    from markupsafe import Markup

    from mitt_assets.reporting.page import ReportInputs


@dataclass(frozen=True)
class Figure:
    """A chart with its markup, its table and its file."""

    chart: Chart
    markup: Markup
    table: DataTable
    file: Download


@dataclass(frozen=True)
class Part:
    """A section of figures: anchor, heading, what it is about."""

    anchor: str
    title: str
    text: str
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class ShownPiece:
    """A stretch of a sample trace: text, colour variable, and the label at its start."""

    text: str
    ink: str
    label: str
    wait: bool
    answer: bool
    first: bool


@dataclass(frozen=True)
class ShownTrace:
    """A sample trace with names instead of codes."""

    trace: SampleTrace
    language: str
    model: str
    pieces: tuple[ShownPiece, ...]


@dataclass(frozen=True)
class View:
    """Everything the template places."""

    study: Study
    title: str
    organism: bool
    sentences: tuple[Sentence, ...]
    key_tables: tuple[KeyTable, ...]
    ingredients: tuple[PlainTable, ...]
    notes: tuple[str, ...]
    parts: tuple[Part, ...]
    samples: tuple[ShownTrace, ...]
    legend: tuple[tuple[str, str], ...]
    assumptions: tuple[Assumption, ...]
    caveats: tuple[str, ...]
    left_out: tuple[tuple[str, str, str], ...]
    overrides: tuple[tuple[str, str, str], ...]
    content: tuple[tuple[str, str], ...]
    study_text: str

    @property
    def content_root(self) -> str:
        """One digest of all inputs: their names and content, and nothing of how they were made."""
        return canonical.digest([list(one) for one in self.content])

    @property
    def assumption_rows(self) -> tuple[tuple[str, str, str, str], ...]:
        """The assumptions as rows of a table."""
        return tuple((one.key, one.value, one.text, one.why) for one in self.assumptions)

    @property
    def charts(self) -> tuple[Chart, ...]:
        """All charts, in the page's order."""
        return tuple(figure.chart for part in self.parts for figure in part.figures)


def build(inputs: ReportInputs) -> View:
    """Gather the page's content."""
    study = inputs.study
    frame = joined(inputs.estimates)
    legend = [
        (language_name(study, code), language_ink(study, code).name) for code in study.languages
    ]
    return View(
        study=study,
        title=study.title or study.name,
        organism=bool(inputs.organism),
        sentences=tuple(headline(frame, study)),
        key_tables=tuple(key_tables(frame, study)),
        ingredients=tuple(ingredient_tables(study, inputs.organism, inputs.problem_counts)),
        notes=tuple(method_notes(study)),
        parts=tuple(_parts(frame, study)),
        samples=tuple(_shown(study, sample) for sample in inputs.samples),
        legend=(*legend, ("undetermined", "undetermined")),
        assumptions=tuple(grouped(assumptions(study))),
        caveats=tuple(caveats(study)),
        left_out=_sorted(inputs.left_out),
        overrides=_sorted(inputs.overrides),
        content=tuple(sorted(inputs.content.items())),
        study_text=show(study),
    )


def joined(estimates: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """All reports' estimates in one frame, sorted by key: row order cannot change the page."""
    import polars as pl

    frames = [frame.select(ESTIMATES.names) for frame in estimates.values()]
    frame = pl.concat(frames) if frames else empty(ESTIMATES)
    return frame.unique(ESTIMATES.key, keep="first", maintain_order=True).sort(ESTIMATES.key)


def _parts(frame: pl.DataFrame, study: Study) -> Iterable[Part]:
    """The sections of figures that have anything to show."""
    made: Sequence[tuple[str, str, str, Sequence[Chart | None]]] = (
        (
            "variants",
            "What a variant changes",
            "The comparison that matters stands first, and the price beside it.",
            (
                charts.variant_effects(frame, study),
                charts.fidelity(frame, study),
                charts.effect_by_gap(frame, study),
            ),
        ),
        (
            "scaling",
            "Longer thinking",
            "Accuracy along the thought, without and with a forced Wait, shown apart.",
            (
                charts.accuracy(frame, study, "tokens", "natural"),
                charts.accuracy(frame, study, "tokens", "forced"),
                charts.gain(frame, study),
                charts.wait_effect(frame, study),
                charts.curve_metrics(frame, study),
            ),
        ),
        ("drift", "The language of the thought", drift.INTRODUCTION, drift.figures(frame, study)),
        (
            "agreement",
            "How alike thoughts are",
            "Samples of one problem beside each other, and each language beside the reference.",
            (
                agreement.initial_thoughts(frame, study),
                agreement.along_the_thought(frame, study, "within"),
                agreement.along_the_thought(frame, study, "to_english"),
                agreement.across_languages(frame, study),
            ),
        ),
        (
            "length",
            "Tokens, characters and steps",
            "The same budget in tokens is not the same amount of thought in every language.",
            (
                charts.lengths(frame, study),
                charts.accuracy(frame, study, "characters", "natural"),
                charts.accuracy(frame, study, "steps", "natural"),
            ),
        ),
    )
    for anchor, title, text, drawn in made:
        figures = tuple(_figure(chart, study) for chart in drawn if chart is not None)
        if figures:
            yield Part(anchor, title, text, figures)


def _figure(chart: Chart, study: Study) -> Figure:
    from markupsafe import Markup

    return Figure(chart, Markup(chart.svg), data_table(chart, study), download(chart))


def _sorted(rows: Iterable[Sequence[str]]) -> tuple[tuple[str, str, str], ...]:
    return tuple(sorted((str(a), str(b), str(c)) for a, b, c in rows))


def _shown(study: Study, sample: SampleTrace) -> ShownTrace:
    pieces = tuple(
        ShownPiece(
            text=_tidy(piece.text),
            ink=language_ink(study, piece.label).name,
            label="" if piece.label == ANSWER else piece.label,
            wait=piece.wait,
            answer=piece.label == ANSWER,
            first=piece.first,
        )
        for piece in sample.pieces
    )
    name, model = language_name(study, sample.language), model_title(study, sample.model)
    return ShownTrace(sample, name, model, pieces)


def _tidy(text: str) -> str:
    """Without runs of empty lines; nothing else of a trace is changed."""
    return re.sub(r"\n{3,}", "\n\n", text)
