"""The problem source gateway: a split of a study as problems in every language of the study."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from mitt_assets.errors import StudyError
from mitt_assets.study import Problems, Split

SPLITS = ("evaluation", "development", "training")


@dataclass(frozen=True)
class SourceProblem:
    """One problem: its id in the source, its canonical answer, its text by language code.

    Problems with an equal ``duplicate_key`` are the same problem by the study's rule.
    """

    row: str
    answer: str
    questions: Mapping[str, str]
    duplicate_key: str


class ProblemSource(ABC):
    """Gives the problems of a split, in an order that never changes."""

    @abstractmethod
    def load(self, split: str) -> list[SourceProblem]:
        """The problems of ``evaluation``, ``development`` or ``training``.

        Raises StudyError for a split the study does not have and DataError for a set that cannot
        serve; it names the file, the row, the field, what was found and what to do.
        """


def splits(problems: Problems) -> tuple[str, ...]:
    """The splits a study has."""
    return tuple(name for name in SPLITS if getattr(problems, name) is not None)


def split_settings(problems: Problems, split: str) -> Split:
    """The settings of one split. Raises StudyError if the study does not have it."""
    if split not in splits(problems):
        raise StudyError(
            f"problems.{split}: the study has no such split (it has {', '.join(splits(problems))});"
            f" add it to the study file"
        )
    settings: Split = getattr(problems, split)
    return settings


def origin(problems: Problems, split: str) -> tuple[str, str | None]:
    """Source and revision of a split: its own, else the set's."""
    settings = split_settings(problems, split)
    if settings.source is not None:
        return settings.source, settings.revision
    return problems.source, problems.revision


def refuse_settings(problems: Problems, split: str, kind: str) -> None:
    """Refuse ``revision`` and ``names``, which only hub sets have, instead of ignoring them."""
    settings = split_settings(problems, split)
    if origin(problems, split)[1] is not None:
        raise StudyError(f"problems.revision: {kind} has no revisions; leave it out")
    if settings.names:
        raise StudyError(f"problems.{split}.names: {kind} has no splits of its own; leave it out")
