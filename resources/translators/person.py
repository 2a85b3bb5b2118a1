"""A person's translations, from a file: each row stands for one problem in one language."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mitt_assets.errors import DataError
from resources.problem_sources.files import read_lines
from resources.problem_sources.rows import shown, unreadable

KEYS = ("problem_id", "id")


@dataclass(frozen=True)
class PersonRow:
    """One row: where it stands, which problem it names by which key, and the text."""

    place: str
    key: str
    id: str
    language: str
    question: str


def read_person(path: Path, languages: Collection[str]) -> list[PersonRow]:
    """The rows of a .jsonl, .csv or .parquet file, in order; ``languages`` are the codes allowed.

    Raises DataError naming the row and what to do.
    """
    if not path.is_file():
        raise DataError(
            f"{path}: there is no such file in {Path.cwd()}; mend translation.file, or run from"
            " the folder it is relative to"
        )
    return [_row(place, dict(fields), languages) for place, fields in read_lines(path)]


def _row(place: str, fields: dict[str, Any], languages: Collection[str]) -> PersonRow:
    key = next((name for name in KEYS if _text(fields.get(name))), None)
    if key is None:
        raise DataError(
            f"{place}: it names no problem; give problem_id (as in the problems table) or id (as"
            f" in the set). The columns there are: {', '.join(fields)}"
        )
    language, question = _text(fields.get("language")), fields.get("question")
    if language not in languages:
        raise DataError(
            f"{place}: the language is {shown(fields.get('language'))}; give one that the study"
            f" translates into: {', '.join(languages)}"
        )
    if not isinstance(question, str):
        raise DataError(
            f"{place}: the question is {shown(question)}; write the translated text, or remove"
            " the row"
        )
    if fault := unreadable(question):
        raise DataError(f"{place}: the question {fault}")
    return PersonRow(place, key, _text(fields[key]), language, question)


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()
