"""Drawing tokens so that a request's draw depends on nothing but its own seed.

A generator per row would cost Python time per row and step, and one generator per batch would tie
every row to its company. Here the noise is a *function*: a counter-based hash of (seed, step,
token id), evaluated for all rows at once and only for the tokens that top-p keeps. The token is
the argmax of log-probability plus Gumbel noise, which is a draw from the distribution and, unlike
a walk along its cumulative sum, depends on no order of tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from mitt_assets.method.requests import Sampling

# splitmix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators").
_GOLDEN = 0x9E3779B97F4A7C15
_MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))

_FIRST_CANDIDATES = 16
"""Tokens looked at first; eight times as many are sorted for rows whose nucleus is larger."""


def signed(number: int) -> int:
    """``number`` modulo 2**64 as the signed integer that torch stores."""
    number &= (1 << 64) - 1
    return number - (1 << 64) if number >> 63 else number


def gumbel(seeds: torch.Tensor, step: int, tokens: torch.Tensor) -> torch.Tensor:
    """Standard Gumbel noise of each (row, token) at ``step``.

    ``seeds`` is int64 of shape (rows,), ``tokens`` int64 of shape (rows, k); the result is float64
    of the shape of ``tokens``. Equal arguments give equal noise on every machine.
    """
    row = _scramble(seeds + signed((step + 1) * _GOLDEN))
    bits = _scramble(row[:, None] ^ ((tokens + 1) * signed(_GOLDEN)))
    uniform = (_shifted(bits, 11).double() + 0.5) * 2.0**-53
    return -(-uniform.log()).log()


def choose(
    logits: torch.Tensor, seeds: torch.Tensor, step: int, sampling: Sampling
) -> torch.Tensor:
    """The next token of each row: int64 of shape (rows,), from logits of shape (rows, vocabulary).

    Temperature first, then top-p (the smallest set of tokens that reaches the mass, the one that
    crosses it included), then the draw; temperature 0 takes the largest logit.
    """
    if sampling.temperature == 0:
        return logits.argmax(-1)
    scores = logits.float() / sampling.temperature
    return _draw(scores, scores.softmax(-1), seeds, step, sampling.top_p, _FIRST_CANDIDATES)


def _draw(
    scores: torch.Tensor,
    mass: torch.Tensor,
    seeds: torch.Tensor,
    step: int,
    top_p: float,
    candidates: int,
) -> torch.Tensor:
    """Draw among the ``candidates`` likeliest tokens; rows that need more come round again."""
    candidates = min(candidates, scores.shape[1]) if top_p < 1 else scores.shape[1]
    likeliest, tokens = mass.topk(candidates, dim=-1)
    reached = likeliest.cumsum(-1)
    outside = (reached - likeliest) >= top_p
    noisy = scores.gather(1, tokens) + gumbel(seeds, step, tokens)
    winner = noisy.masked_fill(outside, float("-inf")).argmax(-1, keepdim=True)
    drawn = tokens.gather(1, winner)[:, 0]
    short = reached[:, -1] < top_p
    if candidates < scores.shape[1] and bool(short.any()):
        drawn[short] = _draw(scores[short], mass[short], seeds[short], step, top_p, candidates * 8)
    return drawn


def _scramble(bits: torch.Tensor) -> torch.Tensor:
    for shift, factor in _MIX:
        bits = (bits ^ _shifted(bits, shift)) * signed(factor)
    return bits ^ _shifted(bits, 31)


def _shifted(bits: torch.Tensor, by: int) -> torch.Tensor:
    """Logical right shift: torch's own keeps the sign."""
    return (bits >> by) & ((1 << (64 - by)) - 1)
