"""How alike thoughts are: between samples of one problem, and to the reference language.

Pairwise cosines need no pairs. For N unit vectors with sum s, the mean over all pairs is
(|s|^2 - N) / (N (N - 1)), so one pass over the rows serves every problem and segment at once, in
float64. What is compared is our choice; the paper (arXiv 2505.15508) names MPNet embeddings and a
rolling mean of 5 segments.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mitt_assets.method.windows import SEGMENT
from mitt_assets.tables import CONSISTENCY, empty

Floats = NDArray[np.float64]

_KEY = ("problem_id", "unit", "segment")


def within(vectors: NDArray[np.floating]) -> float:
    """Mean cosine over all pairs of rows of ``vectors`` (N, d); NaN for fewer than two.

    Zero rows are dropped first: the empty text resembles nothing.
    """
    kept = _unit(vectors)
    kept = kept[np.any(kept != 0.0, axis=1)]
    total = kept.sum(axis=0)
    return float(_pair_mean(np.array([total @ total]), np.array([len(kept)]))[0])


def to_reference(vectors: NDArray[np.floating], reference: NDArray[np.floating]) -> float:
    """Cosine between the mean unit vectors of two sets (N, d) and (M, d); NaN if a mean is zero."""
    mean, other = _unit(vectors).sum(axis=0), _unit(reference).sum(axis=0)
    return float(_cosine(mean[None], other[None])[0])


def consistency_frame(
    embeddings: pl.DataFrame, reference_embeddings: pl.DataFrame, rolling: int
) -> pl.DataFrame:
    """The consistency table of one language, from two segment_embeddings tables.

    One row per problem, unit and segment of ``embeddings``. For the reference language itself
    ``to_english`` is 1. Rolling means are centred, because a trailing mean would shift every curve
    to the right, and at the ends they take the segments there are (our choice). They skip nulls,
    and the initial thought, which is no series, has none.
    """
    if embeddings.is_empty():
        return empty(CONSISTENCY)
    own, other = _sums(embeddings), _sums(reference_embeddings)
    frame = own.keys.with_columns(
        n=pl.Series(own.n),
        within=pl.Series(_pair_mean((own.sums**2).sum(axis=1), own.n)),
        to_english=pl.Series(_cosine(own.sums, _aligned(other, own))),
    )
    for name in ("within", "to_english"):
        rolled = _rolled(frame, name, rolling)
        frame = frame.with_columns(pl.Series(f"{name}_rolling", rolled))
    numbers = pl.col("within", "to_english", "within_rolling", "to_english_rolling")
    typed = frame.with_columns(numbers.cast(pl.Float64).fill_nan(None))
    return typed.cast({"n": pl.Int64}).select(CONSISTENCY.names)


@dataclass(frozen=True)
class _Sums:
    """Per problem, unit and segment: the sum of unit vectors and how many are not zero."""

    keys: pl.DataFrame
    sums: Floats
    n: NDArray[np.int64]


def _sums(embeddings: pl.DataFrame) -> _Sums:
    rows = embeddings.sort(_KEY)
    keys = rows.select(_KEY).unique(maintain_order=True)
    if rows.is_empty():
        return _Sums(keys, np.zeros((0, 0)), np.zeros(0, dtype=np.int64))
    vectors = _unit(_matrix(rows["vector"]))
    change = rows.select(pl.struct(_KEY).ne_missing(pl.struct(_KEY).shift(1)).alias("new"))
    starts = np.flatnonzero(change["new"].to_numpy())
    full = np.any(vectors != 0.0, axis=1).astype(np.int64)
    return _Sums(keys, np.add.reduceat(vectors, starts), np.add.reduceat(full, starts))


def _matrix(vectors: pl.Series) -> Floats:
    width = len(vectors[0])
    return vectors.explode().to_numpy().astype(np.float64).reshape(len(vectors), width)


def _unit(vectors: NDArray[np.floating]) -> Floats:
    """Rows at length one; zero rows stay zero. Stored float32 vectors are only nearly unit."""
    exact = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    return np.divide(exact, lengths, out=np.zeros_like(exact), where=lengths > 0)


def _pair_mean(squares: Floats, n: NDArray[np.integer]) -> Floats:
    pairs = (n * (n - 1)).astype(np.float64)
    return np.divide(squares - n, pairs, out=np.full(len(n), np.nan), where=pairs > 0)


def _cosine(left: Floats, right: Floats) -> Floats:
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    dots = np.einsum("ij,ij->i", left, right)
    return np.divide(dots, lengths, out=np.full(len(left), np.nan), where=lengths > 0)


def _aligned(other: _Sums, own: _Sums) -> Floats:
    """The other's sums in the order of our keys; zero, hence no cosine, where it has no row."""
    if other.keys.is_empty():
        return np.zeros_like(own.sums)
    numbered = other.keys.with_row_index("at")
    at = own.keys.join(numbered, on=_KEY, how="left", maintain_order="left")["at"]
    padded = np.vstack([other.sums, np.zeros((1, other.sums.shape[1]))])
    rows: Floats = padded[at.fill_null(len(other.sums)).to_numpy()]
    return rows


def _rolled(frame: pl.DataFrame, name: str, size: int) -> Floats:
    """Centred rolling mean by segment number within each problem; NaN outside unit segment."""
    out = np.full(frame.height, np.nan)
    mask = (frame["unit"] == SEGMENT).to_numpy()
    rows = frame.filter(pl.col("unit") == SEGMENT)
    if rows.is_empty():
        return out
    problem = rows["problem_id"].rank("dense").to_numpy() - 1
    segment = rows["segment"].to_numpy()
    grid = np.full((int(problem.max()) + 1, int(segment.max()) + 1), np.nan)
    grid[problem, segment] = rows[name].to_numpy()
    out[mask] = rolling_mean(grid, size)[problem, segment]
    return out


def rolling_mean(grid: Floats, size: int) -> Floats:
    """Centred mean over ``size`` columns, NaN skipped and fewer at the ends.

    An even ``size`` takes one more column from the left than from the right.
    """
    before, after = size // 2, (size - 1) // 2
    known = ~np.isnan(grid)
    values = _window_sums(np.where(known, grid, 0.0), before, after)
    counts = _window_sums(known.astype(np.float64), before, after)
    return np.divide(values, counts, out=np.full(grid.shape, np.nan), where=counts > 0)


def _window_sums(grid: Floats, before: int, after: int) -> Floats:
    padded = np.pad(grid, ((0, 0), (before, after)))
    return np.lib.stride_tricks.sliding_window_view(padded, before + after + 1, axis=1).sum(axis=-1)
