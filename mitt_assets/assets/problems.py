"""The problem sets: evaluation, development and training, checked and disjoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mitt_assets.lineage import canonical
from mitt_assets.method.identity import request_id
from mitt_assets.study import Problems, Study
from mitt_assets.tables import PROBLEMS
from mitt_assets.work import Product, Work
from resources.files import chunks_of, sha256_of
from resources.hub import is_file
from resources.problem_sources import (
    ProblemSource,
    SourceProblem,
    load_all,
    origin,
    splits,
)
from resources.problem_sources.hub_sets import data_files


def make(work: Work) -> Product:
    """Every problem of every split, in the language the set is written in."""
    import polars as pl

    settings = work.study.problems
    source = work.services.problem_source()
    loaded = load_all(source, settings)
    rows = [
        (
            problem_id(settings, split, problem.row),
            split,
            problem.questions[settings.language],
            problem.answer,
            problem.duplicate_key,
            origin(settings, split)[0],
            problem.row,
        )
        for split, problems in loaded.items()
        for problem in problems
    ]
    return Product(
        frame=pl.DataFrame(rows, schema=PROBLEMS.schema(), orient="row"),
        metadata={split: len(problems) for split, problems in loaded.items()},
        materials=materials(settings, loaded, source),
    )


def problem_id(settings: Problems, split: str, row: str) -> str:
    """The id of a problem, from where it stands and not from what it says."""
    source, revision = origin(settings, split)
    return request_id("problem", source, revision or "", split, row)


def materials(
    settings: Problems, loaded: Mapping[str, Sequence[SourceProblem]], source: ProblemSource
) -> dict[str, str]:
    """The sha256 of what each split's source gave, in all languages, and the commit it came from.

    A file may change in place, and an unpinned set is at another commit tomorrow.
    """
    return {
        _at(origin(settings, split)[0], source.version(split), split): canonical.digest(
            [[one.row, one.answer, one.questions] for one in problems]
        )
        for split, problems in loaded.items()
    }


def _at(name: str, version: str | None, split: str) -> str:
    return f"{name}@{version} ({split})" if version else f"{name} ({split})"


def files_read(study: Study, own: Mapping[str, str]) -> dict[str, str]:
    """The sha256 of every file problems come from, so that a file changed in place is noticed."""
    sources = dict.fromkeys(origin(study.problems, split)[0] for split in splits(study.problems))
    return {
        f"file {name}": sha256_of(chunks_of(path)) if path.is_file() else "absent"
        for source in sources
        for name, path in _files_of(source)
    }


def _files_of(source: str) -> list[tuple[str, Path]]:
    """The files of a source that lies on this machine, by name; a hub set has a commit instead."""
    path = Path(source).expanduser()
    if is_file(source):
        return [(source, path)]
    if path.is_dir():
        return [(f"{source}/{one.relative_to(path)}", one) for one in data_files(path)]
    return []
