"""What is asked of a trace engine and what comes back: token ids, no text, no library types."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn. ``temperature`` 0 is greedy."""

    temperature: float
    top_p: float


@dataclass(frozen=True)
class Request:
    """Continue ``tokens`` by at most ``max_tokens``; stop after (and including) any of ``stop``.

    ``seed`` alone determines the draw: neither the order nor the company of requests matters.
    """

    tokens: tuple[int, ...]
    seed: int
    max_tokens: int
    stop: tuple[int, ...]


@dataclass(frozen=True)
class Continuation:
    """Generated tokens, the stop token (if one ended it) as the last of them."""

    tokens: tuple[int, ...]
    stopped: bool


@dataclass(frozen=True)
class Branch:
    """A forced answer: the first ``position`` tokens of the trace, then ``suffix``, then greedy."""

    position: int
    suffix: tuple[int, ...]


@dataclass(frozen=True)
class ProbeRequest:
    """All branches of one trace. Branches never see each other and nothing is fed back."""

    prompt: tuple[int, ...]
    trace: tuple[int, ...]
    branches: tuple[Branch, ...]
    max_tokens: int
    stop: tuple[int, ...]
