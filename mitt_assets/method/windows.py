"""A thought in windows: the language of each, and the text of each relative position.

langid labels a window without words English whatever it says, so a language is only believed from a
minimum of words on; below it the window is undetermined, and the raw label is kept beside it, so
that the artefact can be measured instead of mistaken for drift.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from mitt_assets import study
from mitt_assets.tables import WINDOWS

UNDETERMINED = "undetermined"
INITIAL = "initial"
SEGMENT = "segment"


@dataclass(frozen=True)
class Identified:
    """What a language identifier says of each text."""

    labels: Sequence[str]
    probabilities: Sequence[float]
    at_prior: Sequence[bool]


def window_bounds(think_tokens: int, size: int) -> list[tuple[int, int]]:
    """(first token, token after the last) of each window; the last may be shorter than ``size``."""
    return [(at, min(at + size, think_tokens)) for at in range(0, think_tokens, size)]


def segment_of(window: int, windows: int, segments: int) -> int:
    """The relative position, of ``segments``, in which window ``window`` of ``windows`` starts.

    With at least as many windows as segments every segment gets one or more; with fewer, the
    windows fall in distinct segments and the others stay empty (no window is ever repeated; our
    choice).
    """
    return window * segments // windows


def window_texts(text: str, offsets: Sequence[int], bounds: Sequence[tuple[int, int]]) -> list[str]:
    """The text of each window, cut from the whole decoded text.

    Decoding each slice of tokens by itself would break letters that byte-level BPE splits across
    windows. ``offsets`` holds the character at which each token starts.
    """

    def at(token: int) -> int:
        return offsets[token] if token < len(offsets) else len(text)

    return [text[at(start) : at(end)] for start, end in bounds]


def label_windows(windows: pl.DataFrame, minimum_words: int) -> pl.DataFrame:
    """Add ``label``: the raw label from ``minimum_words`` words on, else undetermined."""
    believed = pl.col("words") >= minimum_words
    label = pl.when(believed).then(pl.col("raw_label")).otherwise(pl.lit(UNDETERMINED))
    return windows.with_columns(label.alias("label"))


def windows_frame(
    traces: pl.DataFrame,
    identify: Callable[[list[str]], Identified],
    count_words: Callable[[str], int],
    settings: study.Windows,
) -> pl.DataFrame:
    """The windows table of a traces table; ``identify`` is called once, with all windows."""
    pieces = [piece for trace in _thoughts(traces) for piece in _pieces(trace, settings)]
    texts = [piece.text for piece in pieces]
    said = identify(texts)
    frame = pl.DataFrame(
        {
            "trace_id": [piece.trace_id for piece in pieces],
            "window": [piece.window for piece in pieces],
            "start": [piece.start for piece in pieces],
            "end": [piece.end for piece in pieces],
            "words": [count_words(text) for text in texts],
            "raw_label": list(said.labels),
            "probability": list(said.probabilities),
            "at_prior": list(said.at_prior),
            "segment": [piece.segment for piece in pieces],
        },
        schema_overrides={k: v for k, v in WINDOWS.schema().items() if k != "label"},
    )
    return label_windows(frame, settings.minimum_words).select(WINDOWS.names)


def segment_texts(traces: pl.DataFrame, settings: study.Windows) -> pl.DataFrame:
    """What is embedded: the first window as the initial thought, and the text of each segment.

    Columns trace_id, problem_id, unit, segment, text. Windows of one segment are joined.
    """
    rows = [row for trace in _thoughts(traces) for row in _units(trace, settings)]
    names = ("trace_id", "problem_id", "unit", "segment", "text")
    types = (pl.String(), pl.String(), pl.String(), pl.Int64(), pl.String())
    return pl.DataFrame(rows, schema=dict(zip(names, types, strict=True)), orient="row")


@dataclass(frozen=True)
class _Thought:
    trace_id: str
    problem_id: str
    text: str
    offsets: list[int]
    think_tokens: int


@dataclass(frozen=True)
class _Piece:
    trace_id: str
    window: int
    start: int
    end: int
    segment: int
    text: str


def _thoughts(traces: pl.DataFrame) -> Iterator[_Thought]:
    columns = ("trace_id", "problem_id", "text", "offsets", "think_tokens")
    return (_Thought(*row) for row in traces.select(columns).iter_rows())


def _pieces(thought: _Thought, settings: study.Windows) -> list[_Piece]:
    bounds = window_bounds(thought.think_tokens, settings.tokens)
    texts = window_texts(thought.text, thought.offsets, bounds)
    return [
        _Piece(
            trace_id=thought.trace_id,
            window=window,
            start=start,
            end=end,
            segment=segment_of(window, len(bounds), settings.segments),
            text=text,
        )
        for window, ((start, end), text) in enumerate(zip(bounds, texts, strict=True))
    ]


def _units(thought: _Thought, settings: study.Windows) -> list[tuple[str, str, str, int, str]]:
    pieces = _pieces(thought, settings)
    joined: dict[int, list[str]] = {}
    for piece in pieces:
        joined.setdefault(piece.segment, []).append(piece.text)
    units = [(INITIAL, 0, piece.text) for piece in pieces[:1]]
    units += [(SEGMENT, segment, "".join(texts)) for segment, texts in joined.items()]
    return [(thought.trace_id, thought.problem_id, *unit) for unit in units]
