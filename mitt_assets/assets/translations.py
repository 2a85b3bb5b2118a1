"""Every problem in one language."""

from __future__ import annotations

from mitt_assets.assets.problems import materials
from mitt_assets.errors import DataError
from mitt_assets.method.identity import request_id
from mitt_assets.tables import TRANSLATIONS
from mitt_assets.work import Product, Work
from resources.problem_sources import load_all


def make(work: Work) -> Product:
    """The problems' text in this partition's language, as the source brings it.

    Raises DataError if the source no longer gives the problems that were recorded.
    """
    import polars as pl

    language, settings = work.own["language"], work.study.problems
    source = work.services.problem_source()
    loaded = load_all(source, settings)
    found = {(split, one.row): one for split, problems in loaded.items() for one in problems}
    method = "original" if language == settings.language else work.study.translation.method
    rows = []
    for problem in work.table("problems").iter_rows(named=True):
        one = found.get((problem["split"], problem["source_row"]))
        original = one.questions[settings.language] if one else None
        if one is None or (original, one.answer) != (problem["question"], problem["answer"]):
            raise DataError(
                f"{problem['source']}: {problem['split']} problem {problem['source_row']} is not"
                f" what it was when problems was made; make it again: mitt run --select problems"
            )
        rows.append(
            (
                request_id("translation", problem["problem_id"], language),
                problem["problem_id"],
                problem["split"],
                language,
                one.questions[language],
                one.answer,
                method,
            )
        )
    return Product(
        frame=pl.DataFrame(rows, schema=TRANSLATIONS.schema(), orient="row"),
        metadata={"questions": len(rows), "method": method},
        materials=materials(settings, loaded, source),
    )
