"""Every table once: columns, types, units, keys, and which columns point to which parent row.

Writing, reading, checks, lineage and the UI's column schema all read this file. A column's
polars type is given as a name, so that importing this module does not import polars.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Column:
    """A column: name, type name, what it says and its unit, and the parent column it points to."""

    name: str
    type: str
    text: str
    parent: str | None = None
    nullable: bool = False


@dataclass(frozen=True)
class Table:
    """A table: what one row is, its columns, and the columns that identify a row."""

    name: str
    row: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(column.name for column in self.columns)

    def schema(self) -> dict[str, pl.DataType]:
        """The polars schema of a frame of this table (embedding width left open)."""
        return {column.name: _dtype(column.type) for column in self.columns}


def _dtype(name: str) -> pl.DataType:
    import polars as pl

    types: dict[str, pl.DataType] = {
        "text": pl.String(),
        "integer": pl.Int64(),
        "number": pl.Float64(),
        "flag": pl.Boolean(),
        "tokens": pl.List(pl.Int32()),
        "positions": pl.List(pl.Int32()),
        "vector": pl.List(pl.Float32()),
    }
    return types[name]


_PROBLEM = Column("problem_id", "text", "id of the problem", "problems.problem_id")
_TRACE = Column("trace_id", "text", "id of the trace", "traces.trace_id")
_SPLIT = Column("split", "text", "evaluation, development or training")

PROBLEMS = Table(
    "problems",
    "a problem",
    (
        Column("problem_id", "text", "hash of source, revision, split and row id"),
        _SPLIT,
        Column("question", "text", "in the language the set is written in"),
        Column("answer", "text", "canonical; empty for training problems without answers"),
        Column("duplicate_key", "text", "equal for problems that are the same by the set's rule"),
        Column("source", "text", "data set"),
        Column("source_row", "text", "id or row in the source"),
    ),
    ("problem_id",),
)
TRANSLATIONS = Table(
    "translations",
    "a problem in a language",
    (
        Column("translation_id", "text", "hash of problem id and language"),
        _PROBLEM,
        _SPLIT,
        Column("language", "text", "code"),
        Column("question", "text", "in this language"),
        Column("answer", "text", "canonical answer"),
        Column("method", "text", "original, parallel (the set's), person, seq2seq or chat"),
        Column("back_translation", "text", "put back by the machine that made it", nullable=True),
    ),
    ("translation_id",),
)
TRACES = Table(
    "traces",
    "one generation",
    (
        Column("trace_id", "text", "hash of the request"),
        Column("translation_id", "text", "the question asked", "translations.translation_id"),
        _PROBLEM,
        Column("language", "text", "of the prompt"),
        Column("model", "text", "slug"),
        Column("variant", "text", "base, or the variant's name"),
        Column("sample", "integer", "number of the sample, from 0"),
        Column("seed", "integer", "of this trace's sampling"),
        Column("prompt_tokens", "integer", "length of the prompt, tokens"),
        Column("token_ids", "tokens", "thought and answer, without the prompt"),
        Column("text", "text", "token_ids decoded"),
        Column("offsets", "positions", "character in text at which each token starts"),
        Column("think_tokens", "integer", "length of the thought, tokens"),
        Column("think_ends", "positions", "where </think> was replaced by the wait word"),
        Column("prefix_tokens", "integer", "tokens given at inference, not generated"),
        Column("finish_reason", "text", "stop, budget or answer_length"),
    ),
    ("trace_id",),
)
PROBES = Table(
    "probes",
    "an answer read at a point of a trace",
    (
        _TRACE,
        Column("kind", "text", "checkpoint, end (each end of thinking) or terminal"),
        Column("waits", "integer", "forced waits before this point"),
        Column("budget", "integer", "thinking tokens at this point"),
        Column("raw", "text", "what the model wrote"),
        Column("own", "flag", "the trace's own boxed answer, not a forced one"),
        Column("answer", "text", "canonical answer read", nullable=True),
        Column("correct", "flag", "equals the problem's answer"),
        Column("carried", "flag", "not read: the answer had not changed, and is the last one read"),
    ),
    ("trace_id", "kind", "waits", "budget"),
)
WINDOWS = Table(
    "windows",
    "up to 32 tokens of a thought",
    (
        _TRACE,
        Column("window", "integer", "number, from 0"),
        Column("start", "integer", "first token"),
        Column("end", "integer", "token after the last"),
        Column("words", "integer", "alphabetic words"),
        Column("label", "text", "language code, or undetermined below the minimum of words"),
        Column("raw_label", "text", "langid's label whatever the words"),
        Column("probability", "number", "langid's, over all its languages renormalised to ours"),
        Column("at_prior", "flag", "no feature seen: the label is langid's prior"),
        Column("segment", "integer", "relative position, from 0"),
    ),
    ("trace_id", "window"),
)
SEGMENT_EMBEDDINGS = Table(
    "segment_embeddings",
    "a part of a thought as a unit vector",
    (
        _TRACE,
        _PROBLEM,
        Column("unit", "text", "initial (the first window) or segment"),
        Column("segment", "integer", "relative position, from 0"),
        Column("vector", "vector", "unit vector; zero if the text is empty"),
    ),
    ("trace_id", "unit", "segment"),
)
CONSISTENCY = Table(
    "consistency",
    "problem x part of the thought",
    (
        _PROBLEM,
        Column("unit", "text", "initial (the first window) or segment"),
        Column("segment", "integer", "relative position, from 0"),
        Column("n", "integer", "traces with a non-zero vector here"),
        Column("within", "number", "mean pairwise cosine between samples", nullable=True),
        Column("to_english", "number", "cosine of mean vectors to the reference's", nullable=True),
        Column("within_rolling", "number", "rolling mean over segments", nullable=True),
        Column("to_english_rolling", "number", "rolling mean over segments", nullable=True),
    ),
    ("problem_id", "unit", "segment"),
)
TRAINING_SET = Table(
    "training_set",
    "one training sequence",
    (
        Column("sequence_id", "text", "hash of trace, prompt and cut"),
        Column("trace_id", "text", "the trace it is cut from", "training_traces.trace_id"),
        Column("translation_id", "text", "its prompt", "translations.translation_id"),
        _PROBLEM,
        Column("prompt_language", "text", "code"),
        Column("trace_language", "text", "language of the prompt that made the trace"),
        Column("whole", "flag", "a whole trace (the anchor), not a prefix"),
        Column("token_ids", "tokens", "prompt and kept tokens"),
        Column("loss_start", "integer", "tokens before this are masked from the loss"),
    ),
    ("sequence_id",),
)
ESTIMATES = Table(
    "estimates",
    "a point of a curve, or one number, with its interval",
    (
        Column("measure", "text", "what is estimated"),
        Column("model", "text", "slug"),
        Column("variant", "text", "variant, or a-minus-b of two"),
        Column("language", "text", "of the prompt; all for an aggregate"),
        Column("curve", "text", "natural (no wait), forced, or empty"),
        Column("axis", "text", "unit of x: tokens, characters, steps, segment, or empty"),
        Column("x", "number", "position on the axis", nullable=True),
        Column("estimate", "number", "the number", nullable=True),
        Column("low", "number", "lower end of the interval", nullable=True),
        Column("high", "number", "upper end of the interval", nullable=True),
        Column("problems", "integer", "problems it rests on"),
        Column("rows", "integer", "rows it rests on"),
        Column("source", "text", "asset whose rows these are"),
        Column("filter", "text", "JSON: column to value, selects the rows"),
    ),
    ("measure", "model", "variant", "language", "curve", "axis", "x"),
)

TABLES = {
    table.name: table
    for table in (
        PROBLEMS,
        TRANSLATIONS,
        TRACES,
        PROBES,
        WINDOWS,
        SEGMENT_EMBEDDINGS,
        CONSISTENCY,
        TRAINING_SET,
        ESTIMATES,
    )
}


def empty(table: Table) -> pl.DataFrame:
    """A frame of this table with no rows."""
    import polars as pl

    return pl.DataFrame(schema=table.schema())
