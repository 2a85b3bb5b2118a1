"""How much was thought: tokens, characters and steps, at any budget.

Tokens alone would sell a language that costs more of them as one that reasons worse, so every curve
is also placed by characters and by steps. A step is a completed sentence or line (our choice):
``.``, ``!``, ``?`` or an ellipsis (and closing quotes or brackets) before a space or the end, or
the end of a line of text that does not already end a sentence. It counts from its last character
on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import polars as pl

from mitt_assets.method.estimates.panel import Integers
from mitt_assets.method.statistics import Floats

TOKENS = "tokens"
CHARACTERS = "characters"
STEPS = "steps"
AXES = (TOKENS, CHARACTERS, STEPS)

_STEP = re.compile(r"[.!?…。]+[\"'”»)\]]*(?=\s|$)|[^\s.!?…。](?=[^\S\n]*\n)")


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
        thoughts = zip(traces["text"], ends, strict=True)
        measured.steps.extend(step_ends(text[: int(end)]) for text, end in thoughts)
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


def step_ends(text: str) -> Integers:
    """The character after each completed step of a thought."""
    return np.array([match.end() for match in _STEP.finditer(text)], dtype=np.int64)
