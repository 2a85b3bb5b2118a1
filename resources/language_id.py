"""The language of many short texts: langid's own answers, bit for bit, many times faster.

langid walks a byte automaton in Python and then multiplies a vector of 7,480 counts with its model.
Here two thousand texts walk the automaton together, one numpy look-up per byte position, sorted by
length so that no lane runs empty; and because a state always yields the same features, each state
carries the sum of their weights, so that nothing is counted. The model's weights are float32 and
the sums float64: sums of this size are exact, hence equal in any order.
"""

from __future__ import annotations

import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mitt_assets.errors import StudyError
from mitt_assets.method.windows import Identified
from mitt_assets.study.identified import unknown_to_langid

_TOGETHER = 2_000
"""Texts walked together: their state stays in the processor's cache (measured)."""

# Two letters or more. A backslash before them makes a LaTeX command, a digit or underscore beside
# them a name of something; neither is a word of a language.
_WORD = re.compile(r"(?<![\\\w])[^\W\d_]{2,}(?!\w)")


@dataclass(frozen=True)
class Scored(Identified):
    """What an identifier says of each of n texts.

    ``probabilities`` are the labels', normalised over the candidates; ``scores`` (n, float64) are
    unnormalised log-probabilities; ``at_prior`` marks texts in which the model knew nothing, so
    that the label is its prior and no finding.
    """

    scores: NDArray[np.float64]


def count_words(text: str) -> int:
    """Alphabetic words of at least two letters.

    Digits, single letters, LaTeX commands and letters joined to digits or underscores do not count
    (our choice: langid knows no more of a window that holds only these than of an empty one).
    Letters are composed first, so that accents written apart do not split a word.
    """
    return len(_WORD.findall(unicodedata.normalize("NFC", text)))


class LanguageIdentifier(ABC):
    """Labels texts with one of a few candidate languages."""

    @abstractmethod
    def identify(self, texts: Sequence[str], candidates: Sequence[str]) -> Scored:
        """One label per text, in order. Raises StudyError if a candidate is unknown."""

    @abstractmethod
    def describe(self) -> dict[str, str]:
        """Name and version, for the statement."""

    def count_words(self, text: str) -> int:
        """Alphabetic words in ``text``; the same rule for every identifier."""
        return count_words(text)


class BulkLangid(LanguageIdentifier):
    """langid 1.1.6 with ``norm_probs`` and its languages restricted to the candidates."""

    def identify(self, texts: Sequence[str], candidates: Sequence[str]) -> Scored:
        """As ``langid`` labels each text; equal labels, equal probabilities."""
        classes = self._columns(candidates)
        names = [self._model.nb_classes[column] for column in classes]
        weights, prior = self._state_weights.take(classes, axis=1), self._prior[classes]
        scores = np.empty((len(texts), len(classes)))
        fired = np.zeros(len(texts), dtype=bool)
        encoded = [text.encode("utf-8") for text in texts]
        longest_first = sorted(range(len(texts)), key=lambda i: -len(encoded[i]))
        for start in range(0, len(texts), _TOGETHER):
            places = longest_first[start : start + _TOGETHER]
            walked = _walk([encoded[i] for i in places], self._moves, weights, self._speaks)
            scores[places], fired[places] = walked[0] + prior, walked[1]
        probabilities = _normalised(scores)
        best = probabilities.argmax(axis=1)
        rows = np.arange(len(texts))
        return Scored(
            labels=[names[i] for i in best],
            probabilities=probabilities[rows, best].tolist(),
            scores=scores[rows, best],
            at_prior=(~fired).tolist(),
        )

    def describe(self) -> dict[str, str]:
        """Name and version of the model, which is part of the library."""
        return {"identifier": "langid", "version": version("langid")}

    def _columns(self, candidates: Sequence[str]) -> list[int]:
        complaint = unknown_to_langid(candidates)
        if complaint:
            raise StudyError(f"windows.candidates: {complaint}")
        known = self._model.nb_classes
        return [column for column, code in enumerate(known) if code in candidates]

    @cached_property
    def _model(self) -> Any:
        # langid unpickles its model from a string constant inside its own module. That constant is
        # code of the pinned library, not data from elsewhere; there is no other form of it.
        from langid.langid import LanguageIdentifier as Original
        from langid.langid import model

        return Original.from_modelstring(model, norm_probs=True)

    @cached_property
    def _moves(self) -> NDArray[np.int64]:
        """(states x 256,): the next state times 256, at the current one times 256 plus the byte."""
        return np.array(self._model.tk_nextmove, dtype=np.int64) << 8

    @cached_property
    def _speaks(self) -> NDArray[np.bool_]:
        """(states,): whether entering the state yields a feature."""
        speaks = np.zeros(len(self._moves) >> 8, dtype=bool)
        speaks[[state for state, found in self._model.tk_output.items() if found]] = True
        return speaks

    @cached_property
    def _state_weights(self) -> NDArray[np.float64]:
        """(states, languages): summed weights of the features that entering a state yields."""
        features = self._model.nb_ptc.astype(np.float64)
        weights = np.zeros((len(self._speaks), features.shape[1]))
        for state, found in self._model.tk_output.items():
            weights[state] = features[list(found)].sum(axis=0)
        return weights

    @cached_property
    def _prior(self) -> NDArray[np.float64]:
        return np.asarray(self._model.nb_pc, dtype=np.float64)


def _walk(
    texts: Sequence[bytes],
    moves: NDArray[np.int64],
    weights: NDArray[np.float64],
    speaks: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Summed weights (texts, languages) and whether any feature was seen; longest text first."""
    lengths = np.array([len(text) for text in texts])
    columns = _transposed(texts)
    total = np.zeros((len(texts), weights.shape[1]))
    fired = np.zeros(len(texts), dtype=bool)
    state = np.zeros(len(texts), dtype=np.int64)
    running = len(texts)
    for at, column in enumerate(columns):
        while lengths[running - 1] <= at:
            running -= 1
        # take with clip is twice as fast as indexing; no index is ever out of bounds.
        state = moves.take(state[:running] + column[:running], mode="clip")
        entered = state >> 8
        total[:running] += weights.take(entered, axis=0, mode="clip")
        fired[:running] |= speaks.take(entered, mode="clip")
    return total, fired


def _transposed(texts: Sequence[bytes]) -> NDArray[np.uint8]:
    """(longest, texts): byte j of every text in row j, zeros behind its end."""
    longest = max(map(len, texts))
    joined = b"".join(text.ljust(longest, b"\0") for text in texts)
    square = np.frombuffer(joined, dtype=np.uint8).reshape(len(texts), longest)
    return np.ascontiguousarray(square.T)


def _normalised(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities (n, languages) from log-probabilities, by langid's own formula."""
    parts = [scores[i : i + _TOGETHER] for i in range(0, len(scores), _TOGETHER)]
    with np.errstate(over="ignore"):
        sums = [np.exp(part[:, None, :] - part[:, :, None]).sum(axis=2) for part in parts]
    return 1 / np.concatenate(sums) if sums else scores
