"""Problems of the embedded default: drawn, not stored, and parallel in six languages."""

from __future__ import annotations

from mitt_assets.errors import DataError, StudyError
from mitt_assets.organism.lexicon import LANGUAGES
from mitt_assets.organism.problems import draw
from mitt_assets.study import Study
from resources.problem_sources.base import (
    ProblemSource,
    SourceProblem,
    refuse_settings,
    split_settings,
)
from resources.problem_sources.rows import Row, accept


class OrganismSource(ProblemSource):
    """Word problems about a running total; splits are disjoint by the problem itself."""

    def __init__(self, study: Study) -> None:
        self._study = study

    def load(self, split: str) -> list[SourceProblem]:
        """The first ``count`` problems of the split's draw under its seed."""
        settings = split_settings(self._study.problems, split)
        refuse_settings(self._study.problems, split, "the organism")
        if settings.count is None:
            raise StudyError(
                f"problems.{split}.count: the organism draws its problems, so say how many"
            )
        missing = [code for code in self._study.languages if code not in LANGUAGES]
        if missing:
            raise DataError(
                f"organism: no question in {', '.join(missing)}; it speaks {', '.join(LANGUAGES)}."
                f" Take the language out of the study, or give problems of your own"
            )
        rows = [
            Row(
                place=f"organism, {split} problem {one.row}",
                id=one.row,
                answer=one.answer,
                questions=one.questions,
                duplicate_key=one.key,
            )
            for one in draw(split, settings.count, settings.seed)
        ]
        return accept(rows, self._study, split, "organism")
