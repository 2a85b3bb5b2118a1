"""The translator gateway. Placeholders, retries and refusals are written above it, once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

Progress = Callable[[int, int], None]
"""Called with (texts finished, tokens computed) since the call began."""


class Translator(ABC):
    """Puts texts of one language of the study into another."""

    by_sentence: bool
    """Whether it must be given one sentence at a time."""

    @abstractmethod
    def translate(
        self,
        texts: Sequence[str],
        source: str,
        target: str,
        attempt: int = 0,
        progress: Progress | None = None,
    ) -> list[list[str]]:
        """Candidates for each text, the best first; ``source`` and ``target`` are language codes.

        Attempt 0 is the most likely translation; later ones are drawn, each text from a seed of
        its own. A candidate that did not come to an end is empty. Raises ModelError if the model
        cannot be loaded or does not know a language.
        """

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Kind, model, versions, device and settings, for the statement."""

    @abstractmethod
    def materials(self) -> dict[str, str]:
        """The model's files by sha256, or a word where that is unknown."""

    @abstractmethod
    def close(self) -> None:
        """Free the device."""
