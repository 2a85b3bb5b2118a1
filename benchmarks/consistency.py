"""Within-language consistency: the closed form against all pairs, one by one.

Run `python benchmarks/consistency.py`. Prints milliseconds (best of three) and the largest
difference between the two, with the closed form in float64 and in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from time import perf_counter

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mitt_assets.method.consistency import consistency_frame, within

WIDTH = 768
SIZES = (2, 8, 32, 128)
PROBLEMS, SAMPLES, SEGMENTS = 30, 8, 20


def pairs(vectors: NDArray[np.floating]) -> float:
    """Mean cosine over all pairs of unit vectors, pair by pair."""
    return float(np.mean([left @ right for left, right in combinations(vectors, 2)]))


def closed_form(vectors: NDArray[np.floating]) -> float:
    """The closed form in the vectors' own arithmetic."""
    total, count = vectors.sum(axis=0), len(vectors)
    return float((total @ total - count) / (count * (count - 1)))


def unit_vectors(count: int, seed: int) -> NDArray[np.float64]:
    """Random unit vectors that share a direction, as the thoughts of one problem do."""
    rows = np.random.default_rng(seed).normal(size=(count, WIDTH)) + 0.5
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def milliseconds(work: Callable[[], object]) -> float:
    """Best of three."""
    best = float("inf")
    for _ in range(3):
        start = perf_counter()
        work()
        best = min(best, perf_counter() - start)
    return 1000 * best


def embeddings() -> pl.DataFrame:
    """A table as large as one partition of the paper's study."""
    places = [
        (f"t{problem}-{sample}", f"p{problem}", "segment", segment)
        for problem in range(PROBLEMS)
        for sample in range(SAMPLES)
        for segment in range(SEGMENTS)
    ]
    columns = ["trace_id", "problem_id", "unit", "segment"]
    vectors = unit_vectors(len(places), seed=1).astype(np.float32)
    frame = pl.DataFrame(places, schema=columns, orient="row")
    return frame.with_columns(vector=pl.Series(vectors.tolist(), dtype=pl.List(pl.Float32)))


def table_by_pairs(frame: pl.DataFrame) -> list[float]:
    """The same table's `within`, group by group and pair by pair."""
    groups = frame.partition_by("problem_id", "segment")
    return [pairs(np.array(group["vector"].to_list())) for group in groups]


def main() -> None:
    """Print both comparisons."""
    print(f"{'vectors':>8} {'closed ms':>10} {'pairs ms':>10} {'float64':>9} {'float32':>9}")
    for count in SIZES:
        rows = unit_vectors(count, seed=count)
        closed, exact, short = within(rows), pairs(rows), closed_form(rows.astype(np.float32))
        times = milliseconds(lambda r=rows: within(r)), milliseconds(lambda r=rows: pairs(r))
        print(
            f"{count:>8} {times[0]:>10.3f} {times[1]:>10.3f} "
            f"{abs(closed - exact):>9.1e} {abs(exact - short):>9.1e}"
        )
    frame = embeddings()
    whole = milliseconds(lambda: consistency_frame(frame, frame, rolling=5))
    each = milliseconds(lambda: table_by_pairs(frame))
    print(f"table of {frame.height} vectors: {whole:.0f} ms whole, {each:.0f} ms pair by pair")


if __name__ == "__main__":
    main()
