"""From the study to its problems: which gateway serves a split, and that no two splits overlap."""

from __future__ import annotations

from mitt_assets.errors import DataError
from mitt_assets.study import Problems, Study
from resources.hub import is_file
from resources.problem_sources.base import ProblemSource, SourceProblem, origin, splits
from resources.problem_sources.files import FileSource
from resources.problem_sources.hub import HubSource
from resources.problem_sources.organism import OrganismSource


def open_source(study: Study) -> ProblemSource:
    """The problems of a study; each split comes from the gateway its source asks for."""
    return _BySplit(study)


class _BySplit(ProblemSource):
    def __init__(self, study: Study) -> None:
        self._problems = study.problems
        self._organism = OrganismSource(study)
        self._file = FileSource(study)
        self._hub = HubSource(study)

    def load(self, split: str) -> list[SourceProblem]:
        return self._of(split).load(split)

    def version(self, split: str) -> str | None:
        return self._of(split).version(split)

    def _of(self, split: str) -> ProblemSource:
        source = origin(self._problems, split)[0]
        if source == "organism":
            return self._organism
        return self._file if is_file(source) else self._hub


def load_all(source: ProblemSource, problems: Problems) -> dict[str, list[SourceProblem]]:
    """The problems of every split of the study.

    Raises DataError if a problem is in two splits, or twice in one: what is tuned on or chosen by
    must not be what is measured on, and a problem counts once.
    """
    loaded = {split: source.load(split) for split in splits(problems)}
    seen: dict[str, tuple[str, SourceProblem]] = {}
    for split, chosen in loaded.items():
        for problem in chosen:
            if problem.duplicate_key in seen:
                raise DataError(_twice(problems, seen[problem.duplicate_key], (split, problem)))
            seen[problem.duplicate_key] = (split, problem)
    return loaded


def _twice(
    problems: Problems, first: tuple[str, SourceProblem], second: tuple[str, SourceProblem]
) -> str:
    one, other = (
        f"problem {problem.row} of problems.{split} ({origin(problems, split)[0]})"
        for split, problem in (first, second)
    )
    rule = "question text" if problems.duplicates == "question" else "start and events"
    return (
        f"{other} is the same as {one}: equal {rule} (rule problems.duplicates). Remove one of the"
        f" two, or give the splits different sources"
    )
