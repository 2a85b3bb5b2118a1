"""How much was thought: tokens, characters and steps, at any budget.

Tokens alone would sell a language that costs more of them as one that reasons worse, so every
curve is also placed by characters and by steps. A step is a completed sentence or line (our
choice): it is complete where white space follows ``.``, ``!``, ``?`` or an ellipsis (up to two
closing quotes, brackets or asterisks may stand between), where a line ends, or where the thought
ends with such a mark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mitt_assets.method.estimates.panel import Integers
from mitt_assets.method.statistics import Floats

TOKENS = "tokens"
CHARACTERS = "characters"
STEPS = "steps"
AXES = (TOKENS, CHARACTERS, STEPS)

_SPACES = " \t\n\r\v\f\u00a0\u2009\u202f\u3000\x00"
_MARKS = ".!?\u2026\u3002\uff01\uff1f"
_CLOSERS = "\"'\u2019\u201d\u00bb)]}*"
_MOST_CLOSERS = 2
_SEPARATOR = "\x00"
_AT_ONCE = 1000
"""Thoughts scanned together: few enough that the longest stay within some hundred megabytes."""


@dataclass(frozen=True)
class Effort:
    """Of T traces, the characters where each token starts and each step of the thought ends."""

    offsets: Integers
    first: Integers
    lengths: Integers
    characters: Integers
    steps: list[Integers]

    @classmethod
    def of(cls, traces: pl.DataFrame) -> Effort:
        """From a traces table."""
        lengths = traces["offsets"].list.len().cast(pl.Int64).to_numpy()
        offsets = traces["offsets"].explode().drop_nulls().cast(pl.Int64).to_numpy()
        measured = cls(
            offsets=np.append(offsets, 0),
            first=np.cumsum(lengths) - lengths,
            lengths=lengths,
            characters=traces["text"].str.len_chars().cast(pl.Int64).to_numpy(),
            steps=[],
        )
        ends = measured.characters_at(traces["think_tokens"].to_numpy()[:, None])[:, 0]
        thoughts = traces["text"].str.head(pl.Series(ends.astype(np.int64))).to_list()
        for at in range(0, len(thoughts), _AT_ONCE):
            measured.steps.extend(step_ends(thoughts[at : at + _AT_ONCE]))
        return measured

    def characters_at(self, tokens: Integers) -> Floats:
        """Characters of the first ``tokens`` (T, K) tokens of each trace."""
        inside = tokens < self.lengths[:, None]
        at = self.first[:, None] + np.where(inside, tokens, 0)
        at = np.minimum(at, len(self.offsets) - 1)
        return np.where(inside, self.offsets[at], self.characters[:, None]).astype(np.float64)

    def steps_at(self, tokens: Integers) -> Floats:
        """Steps completed within the first ``tokens`` (T, K) tokens of each trace."""
        characters = self.characters_at(tokens)
        rows = zip(self.steps, characters, strict=True)
        counts = [np.searchsorted(ends, row, side="right") for ends, row in rows]
        return np.array(counts, dtype=np.float64).reshape(tokens.shape)

    def spent(self, tokens: Integers) -> dict[str, Floats]:
        """Tokens, characters and steps of the first ``tokens`` (T, K) tokens."""
        return {
            TOKENS: tokens.astype(np.float64),
            CHARACTERS: self.characters_at(tokens),
            STEPS: self.steps_at(tokens),
        }


def step_ends(thoughts: Sequence[str]) -> list[Integers]:
    """Per thought, how many characters it has when each of its steps is complete.

    All thoughts are scanned as one array of characters, each followed by a separator that counts
    as white space.
    """
    whole = "".join(thought.replace(_SEPARATOR, " ") + _SEPARATOR for thought in thoughts)
    letters = np.frombuffer(whole.encode("utf-32-le"), dtype=np.uint32)
    ends = _complete(letters)
    limits = np.flatnonzero(letters == ord(_SEPARATOR))
    parts = np.split(ends, np.searchsorted(ends, limits, side="right"))
    firsts = np.concatenate([[0], limits + 1])
    return [part - first for part, first in zip(parts[:-1], firsts, strict=False)]


def _complete(letters: NDArray[np.uint32]) -> Integers:
    """Positions of the white space behind a completed sentence or line."""
    space, mark = _among(letters, _SPACES), _among(letters, _MARKS)
    closer = _among(letters, _CLOSERS)
    for _ in range(_MOST_CLOSERS):
        mark[1:] |= closer[1:] & mark[:-1]
    separator = letters == ord(_SEPARATOR)
    before = np.concatenate([[True], space[:-1]])
    starts = np.flatnonzero(space & ~before)
    lines = np.concatenate([[0], np.cumsum(letters == ord("\n"))])
    last = np.flatnonzero(space & (separator | ~np.concatenate([space[1:], [False]])))
    ends = last[np.searchsorted(last, starts)]
    return starts[mark[starts - 1] | (lines[ends + 1] > lines[starts])]


def _among(letters: NDArray[np.uint32], characters: str) -> NDArray[np.bool_]:
    codes = [ord(character) for character in characters]
    table = np.zeros(max(codes) + 2, dtype=bool)
    table[codes] = True
    return table[np.minimum(letters, len(table) - 1)]
