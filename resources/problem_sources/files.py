"""Problems of your own, from a .jsonl, .csv or .parquet file.

A line of a .jsonl file that the default columns read:
``{"question_en": "What is 2 + 3?", "question_tl": "Ano ang 2 + 3?", "answer": 5}``
"""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mitt_assets.errors import DataError, StudyError
from mitt_assets.study import Study
from resources.problem_sources.base import (
    ProblemSource,
    SourceProblem,
    columns_of,
    origin,
    refuse_settings,
)
from resources.problem_sources.rows import Row, accept, question_columns, require_columns, shown

Line = tuple[str, Mapping[str, Any]]
"""Where a row stands in the file, and its fields."""


class FileSource(ProblemSource):
    """One file per split; a relative path is relative to the current folder."""

    def __init__(self, study: Study) -> None:
        self._study = study

    def load(self, split: str) -> list[SourceProblem]:
        """The file's rows in order, all of them or the first ``count``."""
        refuse_settings(self._study.problems, split, "a file")
        path = Path(origin(self._study.problems, split)[0]).expanduser()
        lines = _reader(path)(path)
        columns, _ = columns_of(self._study.problems, split)
        questions = question_columns(self._study, split)
        _refuse_shared_columns(questions, path)
        rows = []
        for number, (place, fields) in enumerate(lines, start=1):
            require_columns(questions, list(fields), place, self._study.problems, split)
            rows.append(
                Row(
                    place=place,
                    id=number if columns.id is None else fields[columns.id],
                    answer=fields[columns.answer] if columns.answer else None,
                    questions={code: fields[column] for code, column in questions.items()},
                    answered=columns.answer is not None,
                )
            )
        return accept(rows, self._study, split, str(path))


def read_lines(path: Path) -> list[Line]:
    """The rows of a .jsonl, .csv or .parquet file with the place of each, whatever they hold.

    Raises DataError for a file that is none of these or cannot be read.
    """
    return _reader(path)(path)


def _refuse_shared_columns(questions: Mapping[str, str], path: Path) -> None:
    if len(set(questions.values())) < len(questions):
        raise StudyError(
            f"problems.columns.question: {path} would be read with one column for several"
            f" languages ({', '.join(questions)}); put {{language}} into the column's name"
        )


def _reader(path: Path) -> Callable[[Path], list[Line]]:
    readers = {".jsonl": _read_jsonl, ".csv": _read_csv, ".parquet": _read_parquet}
    if not path.exists():
        raise DataError(
            f"{path}: there is no such file in {Path.cwd()}; mend problems.source, or run from"
            f" the folder it is relative to"
        )
    if not path.is_file():
        raise DataError(f"{path}: it is no plain file, as a set of problems is; write it as one")
    kind = path.suffix.lower()
    if kind not in readers:
        raise DataError(f"{path}: a set of problems ends in {', '.join(readers)}; convert the file")
    return readers[kind]


def _read_jsonl(path: Path) -> list[Line]:
    lines: list[Line] = []
    for number, text in enumerate(_text(path).split("\n"), start=1):
        if not text.strip():
            continue
        place = f"{path}, line {number}"
        try:
            fields = json.loads(text, object_pairs_hook=partial(_object, place))
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{place}: not a line of JSON ({error}); write one object per line"
            ) from error
        if not isinstance(fields, dict):
            raise DataError(
                f"{place}: found {type(fields).__name__}; write one JSON object per line"
            )
        lines.append((place, fields))
    return lines


def _object(place: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; the library would keep the last of equal keys without a word."""
    _refuse_twice([name for name, _ in pairs], place, "field")
    return dict(pairs)


def _read_csv(path: Path) -> list[Line]:
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    lines: list[Line] = []
    try:
        header = next(reader, [])
        _refuse_other_separator(header, path)
        _refuse_twice(header, f"{path}, line 1", "column")
        for values in reader:
            if not values:
                continue
            place = f"{path}, line {reader.line_num}"
            if len(values) != len(header):
                raise DataError(
                    f"{place}: {len(values)} fields under {len(header)} columns; quote a field"
                    f" that holds a comma"
                )
            lines.append((place, dict(zip(header, values, strict=True))))
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {_not_csv(error)}") from error
    return lines


def _refuse_other_separator(header: list[str], path: Path) -> None:
    for separator, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(header) == 1 and separator in header[0]:
            raise DataError(
                f"{path}, line 1: one column, {shown(header[0])}: its fields are separated by"
                f" {name}; save the file with commas"
            )


def _not_csv(error: csv.Error) -> str:
    if "field limit" in str(error):
        return (
            f"a field of more than {csv.field_size_limit():,} characters; close the double quote"
            " that opens it, or, if the text is that long, give a .jsonl or .parquet file"
        )
    return f"not CSV ({error}); quote fields with double quotes"


def _refuse_twice(names: list[str], place: str, kind: str) -> None:
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise DataError(
            f"{place}: {kind} {twice[0]!r} is there twice, and only one can be read; rename or"
            f" remove the other"
        )


def _read_parquet(path: Path) -> list[Line]:
    import polars as pl

    try:
        rows = pl.read_parquet(path).rows(named=True)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise DataError(f"{path}: not a readable parquet file ({error}); write it anew") from error
    return [(f"{path}, row {number}", row) for number, row in enumerate(rows, start=1)]


def _text(path: Path) -> str:
    data = path.read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(
            f"{path}: it is UTF-16; save it as UTF-8, for instance with: iconv -f utf-16 -t utf-8"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, line {line}: not UTF-8 (byte 0x{data[error.start]:02x}); save it as UTF-8,"
            f" for instance with: iconv -f latin1 -t utf-8"
        ) from error
    if not text.strip():
        raise DataError(f"{path}: the file is empty; write one problem per line")
    return text
