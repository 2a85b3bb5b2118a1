"""The problem source gateway: a split of a study as problems in every language of the study."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from mitt_assets.errors import StudyError
from mitt_assets.study import Columns, Problems, Split, Study

SPLITS = ("evaluation", "development", "training")


@dataclass(frozen=True)
class SourceProblem:
    """One problem: its id in the source, its canonical answer, its text by language code.

    The answer is empty for a training problem of a set without answers. ``questions`` holds the
    languages the set brings; the others are translated. Problems with an equal ``duplicate_key``
    are the same problem by the study's rule.
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

    def version(self, split: str) -> str | None:
        """The commit the split is read at, where its source has commits."""
        return None


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


def columns_of(problems: Problems, split: str) -> tuple[Columns, str]:
    """The columns of a split, its own or the set's, and the study key they stand under.

    Raises StudyError if only training problems may lack what they lack.
    """
    own = split_settings(problems, split).columns
    columns, place = (
        (problems.columns, "problems.columns")
        if own is None
        else (own, f"problems.{split}.columns")
    )
    if columns.answer is None and split != "training":
        raise StudyError(
            f"{place}.answer: {split} problems are scored, so each needs an answer; name the column"
        )
    return columns, place


def languages_brought(study: Study, split: str) -> tuple[str, ...]:
    """The study's languages in which the source of a split has questions.

    Raises StudyError if the set's own language is not among them, or if another is not and nothing
    translates.
    """
    problems = study.problems
    columns, place = columns_of(problems, split)
    named = columns.languages or tuple(columns.configs)
    if not named:
        every = "{language}" in columns.question
        named = tuple(study.languages) if every else (problems.language,)
    missing = [code for code in study.languages if code not in named]
    if problems.language in missing:
        raise StudyError(
            f"{place}: no question in {problems.language}, the language the set is written in"
            f" (problems.language); it names {', '.join(named)}"
        )
    if missing and study.translation.complete:
        raise StudyError(
            f"{place}: no question in {', '.join(missing)}; it names {', '.join(named)}. Put"
            f" {{language}} into the question column, name the language's configuration, take the"
            f" language out of the study, or set translation.method or translation.file (parallel"
            f" without a file: nothing translates)"
        )
    return tuple(code for code in study.languages if code in named)


def refuse_settings(problems: Problems, split: str, kind: str) -> None:
    """Refuse ``revision`` and ``names``, which only hub sets have, instead of ignoring them."""
    settings = split_settings(problems, split)
    if origin(problems, split)[1] is not None:
        raise StudyError(f"problems.revision: {kind} has no revisions; leave it out")
    if settings.names:
        raise StudyError(f"problems.{split}.names: {kind} has no splits of its own; leave it out")
