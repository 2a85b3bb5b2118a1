"""A few traces a person can read, chosen by a rule nobody can bend.

Per model and language: the problem with the smallest id, a hash, among those every language and
variant has; sample 0; the base and `mitt`. Nothing about a trace's content decides if it shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mitt_assets.study import Study

if TYPE_CHECKING:
    import polars as pl

SHOWN_VARIANTS = ("base", "mitt")
ANSWER = "answer"
"""Label of the text after the thought."""
SHOWN_WINDOWS = 40
"""Longest thought shown; the rest is named as left out."""


@dataclass(frozen=True)
class Piece:
    """A stretch of a trace: its text, its window's language, whether it is a forced wait.

    ``first`` marks the piece a window starts with.
    """

    text: str
    label: str
    wait: bool = False
    first: bool = False


@dataclass(frozen=True)
class SampleTrace:
    """One trace as shown: what was asked, what the model wrote, what was read, what was right."""

    language: str
    model: str
    variant: str
    question: str
    answer: str
    read_answer: str
    correct: bool
    pieces: tuple[Piece, ...]
    left_out: int = 0


def sample_traces(
    study: Study,
    *,
    traces: pl.DataFrame,
    windows: pl.DataFrame,
    probes: pl.DataFrame,
    translations: pl.DataFrame,
    models: Sequence[str] | None = None,
    variants: Sequence[str] = SHOWN_VARIANTS,
) -> list[SampleTrace]:
    """The traces to show, by model, language and variant, in the study's order.

    ``models`` defaults to the study's first model with traces.
    """
    import polars as pl

    present = set(traces["model"])
    chosen = models or [model for model in study.models if model in present][:1]
    first = traces.filter(pl.col("variant").is_in(list(variants)), pl.col("sample") == 0)
    shown = []
    for model in chosen:
        part = first.filter(pl.col("model") == model)
        problem = _problem(part)
        rows = {
            (row["language"], row["variant"]): row
            for row in part.filter(pl.col("problem_id") == problem).iter_rows(named=True)
        }
        wanted = ((language, name) for language in study.languages for name in variants)
        shown += [
            _sample(study, rows[key], windows, probes, translations)
            for key in wanted
            if key in rows
        ]
    return shown


def _problem(traces: pl.DataFrame) -> str | None:
    """The smallest problem id among those that occur most often: in every language and variant."""
    counts = (
        traces.group_by("problem_id").len().sort(["len", "problem_id"], descending=[True, False])
    )
    return counts["problem_id"][0] if counts.height else None


def _sample(
    study: Study,
    trace: dict[str, Any],
    windows: pl.DataFrame,
    probes: pl.DataFrame,
    translations: pl.DataFrame,
) -> SampleTrace:
    import polars as pl

    asked = _first(translations.filter(pl.col("translation_id") == trace["translation_id"]))
    own = probes.filter(pl.col("trace_id") == trace["trace_id"], pl.col("kind") == "terminal")
    read = _first(own.sort("waits", descending=True))
    bounds = windows.filter(pl.col("trace_id") == trace["trace_id"]).sort("window")
    wait = study.languages[trace["language"]].wait
    return SampleTrace(
        language=trace["language"],
        model=trace["model"],
        variant=trace["variant"],
        question=asked.get("question", ""),
        answer=asked.get("answer", ""),
        read_answer=read.get("answer") or "",
        correct=bool(read.get("correct", False)),
        pieces=tuple(_pieces(trace, list(bounds.iter_rows(named=True)), wait)),
        left_out=max(bounds.height - SHOWN_WINDOWS, 0),
    )


def _first(frame: pl.DataFrame) -> dict[str, Any]:
    return frame.row(0, named=True) if frame.height else {}


def _pieces(trace: dict[str, Any], windows: list[dict[str, Any]], wait: str) -> list[Piece]:
    text, offsets = trace["text"], trace["offsets"]

    def at(token: int) -> int:
        return offsets[token] if token < len(offsets) else len(text)

    waits = [_wait_span(text, at(end), wait) for end in trace["think_ends"]]
    spans = [(at(w["start"]), at(w["end"]), w["label"]) for w in windows[:SHOWN_WINDOWS]]
    pieces = [piece for span in spans for piece in _cut(text, span, waits)]
    return [*pieces, Piece(text[at(trace["think_tokens"]) :], ANSWER)]


def _wait_span(text: str, start: int, wait: str) -> tuple[int, int]:
    """Where a forced wait word stands: at ``start``, after any space the tokenizer put there."""
    found = text.find(wait, start, start + len(wait) + 2)
    return (found, found + len(wait)) if found >= 0 else (start, min(start + 1, len(text)))


def _cut(text: str, span: tuple[int, int, str], waits: list[tuple[int, int]]) -> list[Piece]:
    """A window's text, with the forced waits in it as pieces of their own."""
    start, end, label = span
    inner = {edge for pair in waits for edge in pair if start < edge < end}
    edges = sorted({start, end} | inner)
    return [
        Piece(text[a:b], label, any(low <= a < high for low, high in waits), a == start)
        for a, b in zip(edges, edges[1:], strict=False)
        if b > a
    ]
