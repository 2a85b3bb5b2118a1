"""A trace engine without a model: what it writes is decided by two functions of the test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mitt_assets.errors import ModelError
from mitt_assets.method.requests import Branch, Continuation, ProbeRequest, Request, Sampling
from resources.engines.base import ModelFiles, Progress, TraceEngine

Write = Callable[[Request], Sequence[int]]
"""What the model would write after ``request.tokens`` if nothing stopped it."""

Answer = Callable[[ProbeRequest, Branch], Sequence[int]]
"""What the model would answer at ``branch`` if nothing stopped it."""


class FakeEngine(TraceEngine):
    """Cuts what ``write`` and ``answer`` return at the stop tokens and limits, as a real one does.

    ``calls`` holds, in order, what was asked: ``("load", slug, adapter)``,
    ``("generate", requests)`` and ``("probe", requests)``.
    """

    def __init__(self, write: Write, answer: Answer | None = None) -> None:
        """``answer`` may be left out where nothing is probed."""
        self.write = write
        self.answer = answer
        self.calls: list[tuple[Any, ...]] = []
        self.model: ModelFiles | None = None
        self.adapter: Path | None = None

    def load(self, model: ModelFiles, adapter: Path | None) -> None:
        """Remember what is current."""
        if (model, adapter) != (self.model, self.adapter):
            self.calls.append(("load", model.slug, adapter))
        self.model, self.adapter = model, adapter

    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        progress: Progress | None = None,
    ) -> list[Continuation]:
        """What ``write`` returns, cut at the first stop token and at ``max_tokens``."""
        self._ready()
        self.calls.append(("generate", tuple(requests)))
        written = [_cut(self.write(r), r.max_tokens, r.stop) for r in requests]
        _report(progress, len(written), sum(len(c.tokens) for c in written))
        return written

    def probe(
        self, requests: Sequence[ProbeRequest], progress: Progress | None = None
    ) -> list[list[tuple[int, ...]]]:
        """What ``answer`` returns for every branch, cut likewise."""
        self._ready()
        self.calls.append(("probe", tuple(requests)))
        answers = [[self._answer(r, b) for b in r.branches] for r in requests]
        _report(progress, len(answers), sum(len(a) for row in answers for a in row))
        return answers

    def describe(self) -> dict[str, Any]:
        """Says that it is a fake."""
        return {"engine": "fake", "device": "cpu", "dtype": "float32"}

    def close(self) -> None:
        """Forget the model."""
        self.calls.append(("close",))
        self.model = self.adapter = None

    def _ready(self) -> None:
        if self.model is None:
            raise ModelError("no model is loaded: call load first")

    def _answer(self, request: ProbeRequest, branch: Branch) -> tuple[int, ...]:
        if self.answer is None:
            raise ModelError("this fake engine was given no answer function")
        return _cut(self.answer(request, branch), request.max_tokens, request.stop).tokens


def _cut(tokens: Sequence[int], most: int, stop: Sequence[int]) -> Continuation:
    kept: list[int] = []
    for token in tokens[:most]:
        kept.append(token)
        if token in stop:
            return Continuation(tuple(kept), stopped=True)
    return Continuation(tuple(kept), stopped=False)


def _report(progress: Progress | None, requests: int, tokens: int) -> None:
    if progress is not None:
        progress(requests, tokens)
