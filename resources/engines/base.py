"""The trace engine gateway. Budget forcing, shards and parsing are written above it, once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mitt_assets.method.requests import Continuation, ProbeRequest, Request, Sampling

Progress = Callable[[int, int], None]
"""Called with (requests finished, tokens computed) since the call began."""

Waits = Callable[[str, str], None]
"""Called with what is waited for, and why; by one thread at a time, as Progress is."""


@dataclass(frozen=True)
class ModelFiles:
    """A model as resolved on this machine: its folder and the sha256 of each file in it."""

    slug: str
    source: str
    revision: str | None
    dtype: str
    folder: Path
    files: Mapping[str, str] = field(default_factory=dict)


class TraceEngine(ABC):
    """Generates token ids under one model and at most one adapter at a time."""

    def tell_waits(self, hear: Waits) -> None:  # noqa: B027
        """From now on ``hear`` of what is waited for in calls; most engines wait for nothing."""

    @abstractmethod
    def load(self, model: ModelFiles, adapter: Path | None) -> None:
        """Make ``model`` (with ``adapter``, a PEFT folder) current; a no-op if it already is.

        Raises ModelError if the files cannot serve: wrong family, adapter of another base.
        """

    @abstractmethod
    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        progress: Progress | None = None,
    ) -> list[Continuation]:
        """Continue each request; results in the order of ``requests``."""

    @abstractmethod
    def probe(
        self, requests: Sequence[ProbeRequest], progress: Progress | None = None
    ) -> list[list[tuple[int, ...]]]:
        """Greedy forced answers: per request, per branch, the generated tokens (stop included)."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Library, version, device, dtype, attention and determinism mode, for the statement."""

    def materials(self, model: ModelFiles) -> dict[str, str]:
        """The files that what was made rests on, by sha256, or a word where that is unknown."""
        return dict(model.files)

    def memory_peak(self) -> int | None:
        """The most bytes held on the device (on a CPU: in memory) so far; None if unknown."""
        return None

    @abstractmethod
    def close(self) -> None:
        """Free the device."""
