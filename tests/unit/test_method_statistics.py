from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitt_assets import study
from mitt_assets.method.statistics import (
    Resampling,
    control,
    fleiss_kappa,
    interval,
    mean_interval,
    paired_difference,
    performance,
    scaling,
    scaling_weights,
)

SETTINGS = study.Statistics(resamples=400)


def test_every_resample_draws_as_many_problems_as_there_are() -> None:
    counts = Resampling.of(7, SETTINGS).counts
    assert counts.shape == (400, 7) and (counts.sum(axis=1) == 7).all()
    assert (counts == Resampling.of(7, SETTINGS).counts).all()


def test_draws_are_what_a_loop_over_drawn_problems_gives() -> None:
    draw = np.random.default_rng(3)
    sums, rows = draw.integers(0, 5, (6, 2)) * 1.0, draw.integers(1, 6, (6, 1)) * 1.0
    resampling = Resampling.of(6, SETTINGS)
    estimated = resampling.ratio(sums, rows)
    for counts, got in zip(resampling.counts, estimated.draws, strict=True):
        drawn = np.repeat(np.arange(6), counts.astype(int))
        assert got == pytest.approx(sums[drawn].sum(axis=0) / rows[drawn].sum())


def test_equal_conditions_differ_by_exactly_nothing() -> None:
    draw = np.random.default_rng(4)
    outcome, problem = draw.random(60), np.repeat(np.arange(20), 3)
    assert paired_difference(outcome, outcome, problem, SETTINGS) == (0.0, 0.0, 0.0)


def test_differences_are_paired_by_problem() -> None:
    """Problems differ by far more than the effect: only pairing finds it."""
    draw = np.random.default_rng(5)
    ease, problem = np.repeat(draw.random(30), 4), np.repeat(np.arange(30), 4)
    value, low, high = paired_difference(ease + 0.05, ease, problem, SETTINGS)
    assert (value, low, high) == pytest.approx((0.05, 0.05, 0.05))
    _, low, high = mean_interval(ease, problem, SETTINGS)
    assert high - low > 0.1


@pytest.mark.parametrize("correlated", [True, False])
def test_intervals_cover_the_truth_about_as_often_as_they_say(correlated: bool) -> None:
    """40 problems, 4 samples each. Resampling rows instead would cover far too seldom."""
    draw = np.random.default_rng(6)
    problem = np.repeat(np.arange(40), 4)
    hits = 0
    for _ in range(200):
        ease = np.repeat(draw.beta(0.5, 0.5, 40), 4) if correlated else np.full(160, 0.5)
        _, low, high = mean_interval(draw.random(160) < ease, problem, SETTINGS)
        hits += low <= 0.5 <= high
    assert 0.88 <= hits / 200 <= 0.99


def test_undefined_draws_take_the_interval_with_them_unless_they_are_few() -> None:
    draws = np.tile(np.arange(100.0)[:, None], (1, 3))
    draws[:2, 1] = np.nan
    draws[:3, 2] = np.nan
    low, high = interval(draws, 0.95)
    assert low[0] == pytest.approx(2.475) and low[1] == pytest.approx(4.425)
    assert np.isnan(low[2]) and np.isnan(high[2])


def test_control_is_the_share_within_the_limits() -> None:
    assert control([1, 5, 10, 11], low=0, high=10) == 0.75
    assert np.isnan(control([], low=0, high=10))


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 1)), min_size=2, max_size=8))
def test_scaling_is_the_mean_slope_over_all_pairs(points: list[tuple[int, float]]) -> None:
    compute, accuracy = zip(*points, strict=True)
    slopes = [
        (right[1] - left[1]) / (right[0] - left[0])
        for left, right in combinations(sorted(points, key=lambda one: one[0]), 2)
        if right[0] > left[0]
    ]
    got = scaling(compute, accuracy)
    assert np.isnan(got) if not slopes else got == pytest.approx(np.mean(slopes), abs=1e-12)


def test_scaling_of_a_line_is_its_slope_and_of_one_compute_nothing() -> None:
    assert scaling([100, 200, 400], [0.1, 0.2, 0.4]) == pytest.approx(0.001)
    assert np.isnan(scaling_weights([5, 5])).all()


def test_performance_is_the_best() -> None:
    assert performance([0.1, 0.5, 0.4]) == 0.5


def test_kappa_of_the_textbook_example() -> None:
    """Ten subjects, fourteen raters, five categories: kappa = 0.210 (Fleiss' kappa, Wikipedia)."""
    counts = [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
    assert fleiss_kappa(counts) == pytest.approx(0.210, abs=5e-4)


def test_kappa_at_its_ends() -> None:
    assert fleiss_kappa([[3, 0], [0, 3]]) == pytest.approx(1.0)
    assert fleiss_kappa([[1, 1], [1, 1]]) == pytest.approx(-1.0)
    assert np.isnan(fleiss_kappa([[3, 0], [3, 0]]))
    with pytest.raises(ValueError, match="same number of raters"):
        fleiss_kappa([[3, 0], [1, 1]])
