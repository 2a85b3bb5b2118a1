"""The draw: top-p as defined, the distribution it claims, and noise that is a pure function."""

from __future__ import annotations

import numpy as np
import pytest
import torch  # noqa: TID253 (this file is about tensors only)
from hypothesis import given, settings
from hypothesis import strategies as st

from mitt_assets.method.requests import Sampling
from resources.engines.sampling import choose, gumbel, signed


def nucleus(logits: np.ndarray, temperature: float, top_p: float) -> dict[int, float]:
    """The plain definition: the fewest likeliest tokens that reach the mass, renormalised."""
    scores = np.exp((logits - logits.max()) / temperature)
    mass = (scores / scores.sum()).astype(float)
    kept, reached = [], 0.0
    for token in np.argsort(-mass):
        if reached >= top_p:
            break
        kept.append(int(token))
        reached += mass[token]
    return {token: mass[token] / reached for token in kept}


def draws(logits: np.ndarray, sampling: Sampling, count: int) -> np.ndarray:
    rows = torch.from_numpy(logits).expand(count, -1)
    return choose(rows, torch.arange(count), 0, sampling).numpy()


@pytest.mark.parametrize("top_p", [0.5, 0.9, 1.0])
@pytest.mark.parametrize("spread", [0.3, 3.0])
def test_tokens_come_as_often_as_top_p_says(top_p: float, spread: float) -> None:
    logits = np.random.default_rng(0).normal(0, spread, 100).astype(np.float32)
    expected = nucleus(logits, 0.7, top_p)
    drawn = draws(logits, Sampling(0.7, top_p), 15_000)
    assert set(drawn) <= set(expected)
    for token, share in sorted(expected.items(), key=lambda item: -item[1])[:10]:
        assert np.mean(drawn == token) == pytest.approx(share, abs=4 * np.sqrt(share / 15_000))


def test_a_flat_row_beside_sharp_ones_is_drawn_as_if_alone() -> None:
    logits = torch.zeros((3, 500))
    logits[0, 7] = logits[2, 9] = 50.0
    seeds = torch.tensor([1, 2, 3])
    together = choose(logits, seeds, 4, Sampling(1.0, 0.95))
    assert together[[0, 2]].tolist() == [7, 9]
    assert together[1] == choose(logits[1:2], seeds[1:2], 4, Sampling(1.0, 0.95))[0]


def test_temperature_zero_takes_the_largest_logit() -> None:
    logits = torch.randn((5, 30), generator=torch.Generator().manual_seed(0))
    assert torch.equal(choose(logits, torch.arange(5), 0, Sampling(0.0, 0.5)), logits.argmax(-1))


@given(seed=st.integers(), step=st.integers(0, 10_000), token=st.integers(0, 200_000))
@settings(max_examples=50)
def test_noise_is_finite_and_does_not_depend_on_its_neighbours(
    seed: int, step: int, token: int
) -> None:
    seeds = torch.tensor([signed(seed), 5])
    noise = gumbel(seeds, step, torch.tensor([[token, 3], [1, 2]]))
    assert torch.isfinite(noise).all()
    assert noise[0, 0] == gumbel(seeds[:1], step, torch.tensor([[token]]))[0, 0]


def test_noise_has_the_moments_of_gumbel_and_no_trace_of_its_arguments() -> None:
    noise = gumbel(torch.arange(400), 3, torch.arange(500).expand(400, -1)).numpy()
    assert noise.mean() == pytest.approx(0.5772, abs=0.02)
    assert noise.var() == pytest.approx(np.pi**2 / 6, abs=0.05)
    for other in (
        gumbel(torch.arange(400), 4, torch.arange(500).expand(400, -1)).numpy(),
        gumbel(torch.arange(400) + 1, 3, torch.arange(500).expand(400, -1)).numpy(),
        gumbel(torch.arange(400), 3, torch.arange(1, 501).expand(400, -1)).numpy(),
    ):
        assert abs(np.corrcoef(noise.ravel(), other.ravel())[0, 1]) < 0.01


def test_noise_is_the_same_in_every_version_of_this_code() -> None:
    noise = gumbel(torch.tensor([1, -1]), 0, torch.tensor([[0, 1], [2, 1279]]))
    expected = [[1.9407730750688383, 0.309130349331950], [-0.387238101696403, 1.408621481817553]]
    assert noise.tolist() == [pytest.approx(row, abs=1e-12) for row in expected]
