"""Intervals that resample problems, paired differences, and the numbers of s1 and MCLM.

Samples and languages of one problem are not independent, so problems are drawn, not rows (a cluster
bootstrap with percentile intervals; our choice). Every condition is resampled with the same draws:
the difference of two draws is then paired by problem without being asked to.

Drawing P problems with replacement is a row of counts, so resampling all conditions at once is one
product of a counts matrix (resamples, problems) with a table (problems, conditions).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mitt_assets import study

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimated:
    """Conditions' values (K,) and their values under every resample (resamples, K)."""

    value: Floats
    draws: Floats

    def minus(self, other: Estimated) -> Estimated:
        """The difference, paired by problem because the draws are shared."""
        return Estimated(self.value - other.value, self.draws - other.draws)

    def over(self, other: Estimated) -> Estimated:
        """The quotient; NaN where the other is zero."""
        return Estimated(_ratio(self.value, other.value), _ratio(self.draws, other.draws))

    def at(self, index: int) -> Estimated:
        """One condition, still as an array of one."""
        return Estimated(self.value[[index]], self.draws[:, [index]])


@dataclass(frozen=True)
class Resampling:
    """How often each problem is drawn in each resample: counts (resamples, problems)."""

    counts: Floats
    confidence: float

    @classmethod
    def of(cls, problems: int, settings: study.Statistics) -> Resampling:
        """``settings.resamples`` draws of as many problems as there are, from ``settings.seed``."""
        draw = np.random.default_rng(settings.seed)
        even = np.full(problems, 1 / max(problems, 1))
        counts = draw.multinomial(problems, even, size=settings.resamples)
        return cls(counts.astype(np.float64), settings.confidence)

    def ratio(self, numerators: Floats, denominators: Floats) -> Estimated:
        """Sum over problems of one table (problems, K) over that of another.

        With sums of outcomes and numbers of rows this is the mean over rows. NaN where no row is.
        """
        value = _ratio(numerators.sum(axis=0), denominators.sum(axis=0))
        return Estimated(value, _ratio(self.counts @ numerators, self.counts @ denominators))

    def interval(self, estimated: Estimated) -> tuple[Floats, Floats]:
        """Percentile interval of each condition."""
        return interval(estimated.draws, self.confidence)


def interval(draws: Floats, confidence: float) -> tuple[Floats, Floats]:
    """Lower and upper percentile of each column of ``draws`` (resamples, K).

    A column may hold undefined draws (a quotient by zero): they are left out if they are fewer than
    lie outside one end of the interval; with more there is no interval (NaN).
    """
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail], axis=0)
    undefined = np.isnan(draws).mean(axis=0)
    for column in np.flatnonzero((undefined > 0) & (undefined <= tail)):
        low[column], high[column] = np.nanquantile(draws[:, column], [tail, 1 - tail])
    return low, high


def mean_interval(
    values: ArrayLike, clusters: ArrayLike, settings: study.Statistics
) -> tuple[float, float, float]:
    """Mean of ``values`` (N,) with its interval, resampling ``clusters`` (N,) whole."""
    totals, sizes = _by_cluster(values, clusters)
    resampling = Resampling.of(len(totals), settings)
    estimated = resampling.ratio(totals, sizes)
    low, high = resampling.interval(estimated)
    return float(estimated.value[0]), float(low[0]), float(high[0])


def paired_difference(
    left: ArrayLike, right: ArrayLike, clusters: ArrayLike, settings: study.Statistics
) -> tuple[float, float, float]:
    """Mean of ``left - right`` with its interval; both (N,), row by row under the same cluster."""
    difference = np.asarray(left, dtype=np.float64) - np.asarray(right, dtype=np.float64)
    return mean_interval(difference, clusters, settings)


def control(tokens: ArrayLike, low: float, high: float) -> float:
    """s1's Control (arXiv 2501.19393): share of runs with compute in [low, high]."""
    spent = np.asarray(tokens, dtype=np.float64)
    return float(np.mean((spent >= low) & (spent <= high))) if spent.size else float("nan")


def scaling_weights(compute: ArrayLike) -> Floats:
    """Weights w (K,) such that sum(w * f) is s1's Scaling of accuracies f at ``compute`` (K,).

    Scaling is the mean slope (f(b) - f(a)) / (b - a) over all pairs with b > a, so it is linear in
    f. NaN where no pair exists.
    """
    spent = np.asarray(compute, dtype=np.float64)
    gaps = spent[None, :] - spent[:, None]
    slopes = np.divide(1.0, gaps, out=np.zeros_like(gaps), where=gaps > 0)
    pairs = np.count_nonzero(gaps > 0)
    if pairs == 0:
        return np.full(len(spent), np.nan)
    weights: Floats = (slopes.sum(axis=0) - slopes.sum(axis=1)) / pairs
    return weights


def scaling(compute: ArrayLike, accuracy: ArrayLike) -> float:
    """s1's Scaling (arXiv 2501.19393); NaN if all compute is equal."""
    return float(scaling_weights(compute) @ np.asarray(accuracy, dtype=np.float64))


def performance(accuracy: ArrayLike) -> float:
    """s1's Performance (arXiv 2501.19393): the best accuracy at any compute."""
    return float(np.max(np.asarray(accuracy, dtype=np.float64)))


def fleiss_kappa(counts: ArrayLike) -> float:
    """Fleiss' kappa of ``counts`` (subjects, categories): raters who chose each category.

    Every subject has the same number of raters, at least two; ValueError otherwise. NaN if there is
    no subject, or if all ratings fall in one category, where chance agreement is certain.
    """
    table = np.asarray(counts, dtype=np.float64)
    raters = np.unique(table.sum(axis=1))
    if len(raters) == 0:
        return float("nan")
    if len(raters) > 1 or raters[0] < 2:
        raise ValueError(f"every subject needs the same number of raters (2 or more): {raters}")
    agreement, shares = fleiss_parts(table)
    return float(kappa_of(agreement.mean(keepdims=True), shares.mean(axis=0)[None])[0])


def fleiss_parts(table: Floats) -> tuple[Floats, Floats]:
    """Per subject: share of agreeing pairs of raters (N,), and share of each category (N, C)."""
    raters = table.sum(axis=1)
    agreement = ((table**2).sum(axis=1) - raters) / (raters * (raters - 1))
    return agreement, table / raters[:, None]


def kappa_of(agreement: Floats, shares: Floats) -> Floats:
    """Kappa from mean agreement (K,) and mean category shares (K, C); NaN if chance is certain."""
    chance = (shares**2).sum(axis=1)
    return _ratio(agreement - chance, np.where(np.isclose(chance, 1.0), 0.0, 1.0 - chance))


def _by_cluster(values: ArrayLike, clusters: ArrayLike) -> tuple[Floats, Floats]:
    flat = np.asarray(values, dtype=np.float64)
    names, code = np.unique(np.asarray(clusters), return_inverse=True)
    sums = np.zeros((2, len(names), 1))
    sums[0, :, 0] = np.bincount(code, weights=flat)
    sums[1, :, 0] = np.bincount(code)
    return sums[0], sums[1]


def _ratio(numerators: Floats, denominators: Floats) -> Floats:
    shape = np.broadcast_shapes(np.shape(numerators), np.shape(denominators))
    out = np.full(shape, np.nan)
    return np.divide(numerators, denominators, out=out, where=denominators != 0)
