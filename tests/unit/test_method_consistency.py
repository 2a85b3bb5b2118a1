from __future__ import annotations

from itertools import combinations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mitt_assets.method.consistency import (
    consistency_frame,
    rolling_mean,
    to_reference,
    within,
)
from mitt_assets.tables import CONSISTENCY, SEGMENT_EMBEDDINGS, empty


def unit_rows(n: int, d: int, seed: int) -> NDArray[np.float64]:
    rows = np.random.default_rng(seed).normal(size=(n, d))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def embeddings(rows: list[tuple[str, str, str, int, list[float]]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SEGMENT_EMBEDDINGS.schema(), orient="row")


@given(st.integers(2, 12), st.integers(1, 8), st.integers(0, 1000))
def test_the_closed_form_is_the_mean_over_pairs(n: int, d: int, seed: int) -> None:
    rows = unit_rows(n, d, seed)
    pairs = [float(a @ b) for a, b in combinations(rows, 2)]
    assert within(rows) == pytest.approx(np.mean(pairs), abs=1e-12)


def test_equal_opposite_and_square_vectors() -> None:
    assert within(np.array([[1.0, 0], [1, 0], [1, 0]])) == pytest.approx(1.0)
    assert within(np.array([[1.0, 0], [-1, 0]])) == pytest.approx(-1.0)
    assert within(np.array([[1.0, 0], [0, 1]])) == pytest.approx(0.0)


def test_one_vector_has_no_pair_and_zero_vectors_do_not_count() -> None:
    assert np.isnan(within(np.array([[1.0, 0]])))
    assert np.isnan(within(np.array([[1.0, 0], [0, 0]])))
    assert within(np.array([[1.0, 0], [0, 0], [1, 0]])) == pytest.approx(1.0)


def test_float32_vectors_lose_nothing() -> None:
    rows = np.repeat(unit_rows(1, 64, 3), 50, axis=0).astype(np.float32)
    assert within(rows) == pytest.approx(1.0, abs=1e-12)


def test_the_reference_is_compared_by_mean_direction() -> None:
    left = np.array([[1.0, 0], [0, 1]])
    assert to_reference(left, np.array([[1.0, 0]])) == pytest.approx(np.sqrt(0.5))
    assert np.isnan(to_reference(left, np.array([[0.0, 0]])))


@pytest.mark.parametrize(
    ("size", "expected"),
    [(1, [1, 2, 3, 4]), (3, [1.5, 2, 3, 3.5]), (2, [1, 1.5, 2.5, 3.5]), (9, [2.5] * 4)],
)
def test_rolling_means_are_centred_and_shrink_at_the_ends(size: int, expected: list[float]) -> None:
    assert rolling_mean(np.array([[1.0, 2, 3, 4]]), size)[0].tolist() == expected


def test_rolling_means_skip_what_is_missing() -> None:
    grid = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan]])
    rolled = rolling_mean(grid, 3)
    assert rolled[0].tolist() == [1.0, 2.0, 3.0]
    assert np.isnan(rolled[1]).all()


@given(seed=st.integers(0, 500), rolling=st.integers(1, 6))
def test_the_table_is_the_formulas_row_by_row(seed: int, rolling: int) -> None:
    draw = np.random.default_rng(seed)
    own, other = _drawn(draw), _drawn(draw)
    frame = consistency_frame(own, other, rolling)
    assert frame.schema == CONSISTENCY.schema()
    keys = own.select("problem_id", "unit", "segment").unique()
    assert frame.height == keys.height
    for row in frame.iter_rows(named=True):
        vectors, reference = _at(own, row), _at(other, row)
        assert row["n"] == np.any(vectors != 0, axis=1).sum()
        _same(row["within"], within(vectors))
        _same(row["to_english"], to_reference(vectors, reference) if len(reference) else np.nan)
        _same(row["within_rolling"], _rolled(frame, row, "within", rolling))


def _drawn(draw: np.random.Generator) -> pl.DataFrame:
    """Two samples of three problems; some segments missing, some vectors zero."""
    rows = []
    for problem in "abc":
        for sample in "xy":
            for unit, segment in [("initial", 0), *(("segment", s) for s in range(5))]:
                if draw.random() < 0.8:
                    vector = draw.normal(size=3) * (draw.random() < 0.85)
                    length = np.linalg.norm(vector) or 1.0
                    place = (problem + sample, problem, unit, segment)
                    rows.append((*place, (vector / length).tolist()))
    return embeddings(rows)


def _at(frame: pl.DataFrame, row: dict[str, object]) -> NDArray[np.float64]:
    found = frame.filter(*(pl.col(k) == row[k] for k in ("problem_id", "unit", "segment")))
    return np.array(found["vector"].to_list(), dtype=np.float64).reshape(-1, 3)


def _rolled(frame: pl.DataFrame, row: dict[str, object], name: str, size: int) -> float:
    if row["unit"] == "initial":
        return np.nan
    segment = int(str(row["segment"]))
    near = frame.filter(
        pl.col("problem_id") == row["problem_id"],
        pl.col("unit") == "segment",
        pl.col("segment").is_between(segment - size // 2, segment + (size - 1) // 2),
    )
    mean = near[name].mean()
    return np.nan if mean is None else float(mean)  # type: ignore[arg-type]


def _same(value: float | None, expected: float) -> None:
    if value is None:
        assert np.isnan(expected)
    else:
        assert value == pytest.approx(expected, abs=1e-9)


def test_without_embeddings_there_is_nothing_to_compare() -> None:
    some = embeddings([("t", "p", "segment", 0, [1.0, 0.0])])
    none = empty(SEGMENT_EMBEDDINGS)
    assert consistency_frame(none, some, 1).schema == CONSISTENCY.schema()
    assert consistency_frame(some, none, 1)["to_english"].to_list() == [None]


def test_the_reference_language_is_like_itself() -> None:
    own = _drawn(np.random.default_rng(1))
    known = consistency_frame(own, own, 3)["to_english"].drop_nulls()
    assert known.len() > 0 and np.allclose(known, 1.0)
