"""Problems from a data set on the Hugging Face hub, from its cache, or from a local folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mitt_assets.errors import DataError, StudyError
from mitt_assets.study import Study
from resources.hub import is_repository
from resources.problem_sources.base import (
    ProblemSource,
    SourceProblem,
    columns_of,
    origin,
    split_settings,
)
from resources.problem_sources.hub_sets import Fields, folder_of, place_of, read_splits
from resources.problem_sources.rows import Row, accept, question_columns, require_columns, shown

Table = dict[str, Fields]
"""Rows by id."""


class HubSource(ProblemSource):
    """A hub id or a folder; languages are columns, configurations, or both."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._folders: dict[tuple[str, str | None], Path] = {}

    def version(self, split: str) -> str | None:
        """The commit the split is read at; None for a local folder."""
        source, _ = origin(self._study.problems, split)
        return self._folder(split).name if is_repository(source) else None

    def load(self, split: str) -> list[SourceProblem]:
        """The rows of the source's ``names`` in order, all of them or the first ``count``."""
        questions = question_columns(self._study, split)
        configs = self._configs(split, questions)
        tables: dict[str | None, Table] = {}
        for config in dict.fromkeys(configs.values()):
            needed = {code: questions[code] for code, used in configs.items() if used == config}
            tables[config] = self._table(split, config, needed)
        rows = self._rows(split, configs, questions, tables)
        return accept(rows, self._study, split, origin(self._study.problems, split)[0])

    def _folder(self, split: str) -> Path:
        """Asked for once: an unpinned set must not move between two splits or configurations."""
        key = origin(self._study.problems, split)
        if key not in self._folders:
            self._folders[key] = folder_of(*key, f"problems.{split}")
        return self._folders[key]

    def _configs(self, split: str, questions: Mapping[str, str]) -> dict[str, str | None]:
        """The configuration of each language (None: the set's only one)."""
        columns, place = columns_of(self._study.problems, split)
        missing = [code for code in questions if columns.configs and code not in columns.configs]
        if missing:
            raise StudyError(
                f"{place}.configs: none for {', '.join(missing)}; it names"
                f" {', '.join(columns.configs)}"
            )
        configs = {code: columns.configs.get(code) for code in questions}
        if len({(configs[code], questions[code]) for code in configs}) < len(configs):
            raise StudyError(
                f"{place}: {origin(self._study.problems, split)[0]} would be read with one column"
                f" for several languages ({', '.join(configs)}); put {{language}} into"
                f" columns.question, or give each language its configuration in columns.configs"
            )
        return configs

    def _table(self, split: str, config: str | None, needed: Mapping[str, str]) -> Table:
        problems = self._study.problems
        source, _ = origin(problems, split)
        names = split_settings(problems, split).names
        column = columns_of(problems, split)[0].id
        table: Table = {}
        found = read_splits(self._folder(split), source, config, names, split)
        for name, rows in found.items():
            place = place_of(source, config, name)
            require_columns(needed, list(rows[0]) if rows else [], place, problems, split)
            for number, fields in enumerate(rows, start=1):
                key = str(number if column is None else fields[column])
                key = f"{name}/{key}" if len(names) > 1 else key
                if key in table:
                    raise DataError(
                        f"{place}: two rows have the id {key!r}; set columns.id to a column of"
                        f" unique ids, or leave it out to number the rows"
                    )
                table[key] = fields
        return table

    def _rows(
        self,
        split: str,
        configs: Mapping[str, str | None],
        questions: Mapping[str, str],
        tables: Mapping[str | None, Table],
    ) -> list[Row]:
        source = origin(self._study.problems, split)[0]
        answer = columns_of(self._study.problems, split)[0].answer
        config = configs[self._study.problems.language]
        own = tables[config]
        self._refuse_other_rows(source, config, tables)
        rows = []
        for key, fields in own.items():
            place = f"{place_of(source, config, None)}, row {key}"
            if answer is not None:
                _refuse_other_answers(place, key, fields[answer], answer, tables)
            texts = {code: tables[configs[code]][key][questions[code]] for code in configs}
            value = None if answer is None else fields[answer]
            rows.append(Row(place, key, value, texts, answered=answer is not None))
        return rows

    @staticmethod
    def _refuse_other_rows(
        source: str, own: str | None, tables: Mapping[str | None, Table]
    ) -> None:
        """Configurations are parallel only if each holds the same rows."""
        for config, table in tables.items():
            for key in tables[own].keys() ^ table.keys():
                has, lacks = (own, config) if key in tables[own] else (config, own)
                raise DataError(
                    f"{place_of(source, has, None)}, row {key}: the configuration {lacks!r} has no"
                    f" such row ({len(tables[own])} rows in {own!r}, {len(table)} in {config!r});"
                    f" choose languages whose configurations hold the same problems, set columns.id"
                    f" to a column that is equal for translations, or take {lacks!r} out of"
                    f" columns.configs and let its language be translated"
                )


def _refuse_other_answers(
    place: str, key: str, value: object, column: str, tables: Mapping[str | None, Table]
) -> None:
    for config, table in tables.items():
        other = table[key][column]
        if str(other).strip() != str(value).strip():
            raise DataError(
                f"{place}: the answer is {shown(value)}, but {shown(other)} in configuration"
                f" {config!r}: not the same problem. Set columns.id to a column that is equal for"
                f" translations"
            )
