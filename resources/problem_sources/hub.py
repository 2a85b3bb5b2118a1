"""Problems from a data set on the Hugging Face hub, from its cache, or from a local folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mitt_assets.errors import DataError, StudyError
from mitt_assets.study import Study
from resources.problem_sources.base import ProblemSource, SourceProblem, origin, split_settings
from resources.problem_sources.rows import Row, accept, question_columns, require_columns, shown

Fields = Mapping[str, Any]
Table = dict[str, Fields]
"""Rows by id."""


class HubSource(ProblemSource):
    """A hub id or a folder; languages are columns, configurations, or both."""

    def __init__(self, study: Study) -> None:
        self._study = study

    def load(self, split: str) -> list[SourceProblem]:
        """The rows of the source's ``names`` in order, all of them or the first ``count``."""
        questions = question_columns(self._study, origin(self._study.problems, split)[0])
        configs = self._configs(split, questions)
        tables: dict[str | None, Table] = {}
        for config in dict.fromkeys(configs.values()):
            needed = {code: questions[code] for code, used in configs.items() if used == config}
            tables[config] = self._table(split, config, needed)
        return accept(self._rows(split, configs, questions, tables), self._study, split, "hub set")

    def _configs(self, split: str, questions: Mapping[str, str]) -> dict[str, str | None]:
        """The configuration of each language (None: the set's only one)."""
        given = self._study.problems.columns.configs
        source = origin(self._study.problems, split)[0]
        missing = [code for code in self._study.languages if given and code not in given]
        if missing:
            raise DataError(
                f"{source}: no question in {', '.join(missing)}: problems.columns.configs names"
                f" {', '.join(given)}; add the configuration, or take the language out of the study"
            )
        configs = {code: given.get(code) for code in self._study.languages}
        if len({(configs[code], questions[code]) for code in configs}) < len(configs):
            raise StudyError(
                f"problems.columns: {source} would be read with one column for several languages"
                f" ({', '.join(configs)}); put {{language}} into columns.question, or give each"
                f" language its configuration in columns.configs"
            )
        return configs

    def _table(self, split: str, config: str | None, needed: Mapping[str, str]) -> Table:
        source, revision = origin(self._study.problems, split)
        names = split_settings(self._study.problems, split).names
        column = self._study.problems.columns.id
        table: Table = {}
        for name, rows in _load(source, config, names, revision).items():
            place = _place(source, config, name)
            require_columns(needed, list(rows[0]) if rows else [], place, self._study)
            for number, fields in enumerate(rows, start=1):
                key = str(number if column is None else fields[column])
                key = f"{name}/{key}" if len(names) > 1 else key
                if key in table:
                    raise DataError(
                        f"{place}: two rows have the id {key!r}; set problems.columns.id to a"
                        f" column of unique ids, or leave it out to number the rows"
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
        problems = self._study.problems
        source = origin(problems, split)[0]
        own = tables[configs[problems.language]]
        rows = []
        for key, fields in own.items():
            place = f"{_place(source, configs[problems.language], None)}, row {key}"
            self._refuse_other_answers(place, key, fields, tables)
            texts = {code: tables[configs[code]][key][questions[code]] for code in configs}
            rows.append(Row(place, key, fields[problems.columns.answer], texts))
        return rows

    def _refuse_other_answers(
        self, place: str, key: str, fields: Fields, tables: Mapping[str | None, Table]
    ) -> None:
        """Configurations are parallel only if each has the row, with the same answer."""
        column = self._study.problems.columns.answer
        for config, table in tables.items():
            if key not in table:
                raise DataError(
                    f"{place}: the configuration {config!r} has no such row; choose languages whose"
                    f" configurations hold the same problems, or set problems.columns.id"
                )
            if str(table[key][column]).strip() != str(fields[column]).strip():
                raise DataError(
                    f"{place}: the answer is {shown(fields[column])}, but"
                    f" {shown(table[key][column])} in configuration {config!r}: not the same"
                    f" problem. Set problems.columns.id to a column that is equal for translations"
                )


def _place(source: str, config: str | None, name: str | None) -> str:
    parts = [source, f"configuration {config}" if config else "", f"split {name}" if name else ""]
    return ", ".join(part for part in parts if part)


def _load(
    source: str, config: str | None, names: Sequence[str], revision: str | None
) -> dict[str, list[Fields]]:
    """The rows of the named splits; without names the set must have exactly one."""
    import datasets

    datasets.disable_progress_bars()
    place = _place(source, config, None)
    folder = Path(source).expanduser()
    path = str(folder) if folder.is_dir() else source
    try:
        if names:
            return {
                name: list(datasets.load_dataset(path, config, split=name, revision=revision))
                for name in names
            }
        found = datasets.load_dataset(path, config, revision=revision)
    except datasets.exceptions.DatasetNotFoundError as error:
        raise DataError(_not_found(source, error)) from error
    except ConnectionError as error:
        raise DataError(_unreachable(source, error)) from error
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(
            f"{place}: cannot be read: {error}. Mend problems.source, problems.columns.configs or"
            f" the split's names"
        ) from error
    if len(found) != 1:
        raise StudyError(
            f"problems.<split>.names: {place} has the splits {', '.join(found)}; say which to use"
        )
    return {name: list(rows) for name, rows in found.items()}


def _not_found(source: str, error: Exception) -> str:
    return (
        f"{source}: no such data set, or not for you: {error}. Check the id and the revision; if it"
        f" is gated, accept its terms at https://huggingface.co/datasets/{source} and log in with:"
        f" hf auth login"
    )


def _unreachable(source: str, error: Exception) -> str:
    offline = [name for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE") if os.environ.get(name)]
    remedy = (
        f"unset {' and '.join(offline)} for one run to fill the cache"
        if offline
        else "connect to the network once; later runs use the cache"
    )
    return f"{source}: the hub was not reached and the cache does not have it ({error}); {remedy}"
