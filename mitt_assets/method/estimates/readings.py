"""What each trace answers at every budget and after every wait.

A trace that ended before a budget counts with its answer at its end, not with the last checkpoint
before it; accuracy at a budget therefore always rests on all traces. The natural curve ends at the
first end of thinking, the forced one at the terminal reading.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mitt_assets.errors import DataError
from mitt_assets.method.estimates.panel import Integers
from mitt_assets.method.estimates.selection import LAST_OF, Value
from mitt_assets.method.probing import CHECKPOINT, END, TERMINAL
from mitt_assets.method.statistics import Floats
from mitt_assets.study import Study

NATURAL = "natural"
FORCED = "forced"
CURVES = (NATURAL, FORCED)

MOST_POINTS = 100
"""Longest curve (our choice); longer grids are thinned to multiples of several strides."""


@dataclass(frozen=True)
class Readings:
    """Correct (1.0) or not of each of T traces, and where its thinking ended.

    ``curves`` has, per curve, an array (T, grid); ``waits`` (T, waits + 1) the answer at the end of
    thinking after k waits; ``ends`` per curve the tokens (T,) at which thinking ended.
    """

    grid: Integers
    curves: dict[str, Floats]
    waits: Floats
    ends: dict[str, Integers]

    @classmethod
    def of(cls, probes: pl.DataFrame, traces: pl.DataFrame, study: Study) -> Readings:
        """From a probes and a traces table. Raises DataError where a reading is missing."""
        grid = budget_grid(study.probes.stride, study.generation.budget)
        table = _Table.of(probes, traces)
        waits = table.after_waits(study.generation.waits)
        ends = thought_ends(traces)
        checkpoints = table.checkpoints(grid)
        curves = {
            NATURAL: np.where(grid >= ends[NATURAL][:, None], waits[:, :1], checkpoints),
            FORCED: np.where(grid >= ends[FORCED][:, None], table.terminal()[:, None], checkpoints),
        }
        for name, correct in curves.items():
            _refuse_gaps(correct, traces, f"a {name} reading")
        return cls(grid, curves, waits, ends)


def budget_grid(stride: int, budget: int) -> Integers:
    """The budgets a curve has: one stride, its multiples (thinned), and the whole budget."""
    every = -(-(budget // stride) // MOST_POINTS) or 1
    multiples = np.arange(stride * every, budget + 1, stride * every)
    return np.unique(np.concatenate([[min(stride, budget)], multiples, [budget]])).astype(np.int64)


def thought_ends(traces: pl.DataFrame) -> dict[str, Integers]:
    """Thinking tokens at the first end of thinking, and at the last."""
    last = pl.col("think_tokens")
    first = pl.col("think_ends").list.first().cast(pl.Int64).fill_null(last)
    ends = traces.select(first.alias(NATURAL), last.alias(FORCED))
    return {curve: ends[curve].to_numpy().astype(np.int64) for curve in CURVES}


def budget_filter(curve: str, budget: int | None = None) -> dict[str, Value]:
    """Selects the readings behind a curve: all of them, or those at one budget."""
    natural = curve == NATURAL
    chosen: dict[str, Value] = {
        "kind": [CHECKPOINT, TERMINAL, END] if natural else [CHECKPOINT, TERMINAL]
    }
    if natural:
        chosen["waits"] = {"max": 0}
    if budget is not None:
        chosen |= {"budget": {"max": budget}, LAST_OF: "trace_id"}
    return chosen


def wait_filter(waits: int) -> dict[str, Value]:
    """Selects the readings at the end of thinking after ``waits`` waits."""
    return {"kind": [TERMINAL, END], "waits": {"max": waits}, LAST_OF: "trace_id"}


@dataclass(frozen=True)
class _Table:
    """Probes as arrays, with the number of each row's trace."""

    kind: NDArray[np.object_]
    at: Integers
    waits: Integers
    budget: Integers
    correct: Floats
    traces: pl.DataFrame

    @classmethod
    def of(cls, probes: pl.DataFrame, traces: pl.DataFrame) -> _Table:
        numbered = traces.select("trace_id").with_row_index("at")
        rows = probes.select("trace_id", "kind", "waits", "budget", "correct").join(
            numbered, on="trace_id", how="left", maintain_order="left"
        )
        lost = rows.filter(pl.col("at").is_null())
        if not lost.is_empty():
            raise DataError(f"trace {lost['trace_id'][0]} has probes but is not among the traces")
        return cls(
            rows["kind"].to_numpy(),
            rows["at"].cast(pl.Int64).to_numpy(),
            rows["waits"].to_numpy(),
            rows["budget"].to_numpy(),
            rows["correct"].cast(pl.Float64).to_numpy(),
            traces,
        )

    def checkpoints(self, grid: Integers) -> Floats:
        """Answers at the checkpoints of the grid (T, grid); NaN where a trace has none."""
        out = np.full((self.traces.height, len(grid)), np.nan)
        rows = np.flatnonzero((self.kind == CHECKPOINT) & np.isin(self.budget, grid))
        out[self.at[rows], np.searchsorted(grid, self.budget[rows])] = self.correct[rows]
        return out

    def terminal(self) -> Floats:
        """The terminal answers (T,)."""
        out = np.full(self.traces.height, np.nan)
        rows = np.flatnonzero(self.kind == TERMINAL)
        out[self.at[rows]] = self.correct[rows]
        _refuse_gaps(out, self.traces, "a terminal reading")
        return out

    def after_waits(self, waits: int) -> Floats:
        """Answers at the end of thinking after k waits (T, waits + 1).

        A trace that ended by itself with fewer waits (no room was left) counts with its last end;
        one that the budget cut before that end counts with its terminal answer.
        """
        made = self._waits_made()
        ends = np.full((self.traces.height, int(made.max(initial=0)) + 1), np.nan)
        rows = np.flatnonzero(self.kind == END)
        ends[self.at[rows], self.waits[rows]] = self.correct[rows]
        taken = np.minimum(np.arange(waits + 1), made[:, None])
        found = np.take_along_axis(ends, taken, axis=1)
        return np.where(np.isnan(found), self.terminal()[:, None], found)

    def _waits_made(self) -> Integers:
        made = np.zeros(self.traces.height, dtype=np.int64)
        rows = np.flatnonzero(self.kind == TERMINAL)
        made[self.at[rows]] = self.waits[rows]
        return made


def _refuse_gaps(values: Floats, traces: pl.DataFrame, what: str) -> None:
    gaps = np.argwhere(np.isnan(values))
    if len(gaps):
        trace_id = traces["trace_id"][int(gaps[0][0])]
        raise DataError(f"trace {trace_id} lacks {what}: materialise its probes again")
