"""From the rows of any source to problems: what a study can rest on, and nothing else."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mitt_assets.errors import DataError, StudyError
from mitt_assets.method.probing import canonical
from mitt_assets.study import Answer, Problems, Study
from resources.problem_sources.base import (
    SourceProblem,
    columns_of,
    languages_brought,
    split_settings,
)

_SHOWN = 60
_BREAKS = "\t\n\v\f\r\x85"
_POINT_ZERO = re.compile(r"([+-]?[0-9]+)\.0\Z")


@dataclass(frozen=True)
class Row:
    """One row as read: where it stands (for errors), its id, its answer and texts by language.

    The answer is left out where the set has none.
    """

    place: str
    id: Any
    answer: Any
    questions: Mapping[str, Any]
    duplicate_key: str | None = None
    answered: bool = True


def accept(rows: Sequence[Row], study: Study, split: str, source: str) -> list[SourceProblem]:
    """The rows as problems, limited to the split's count.

    Raises DataError at the first row that cannot serve, and where two rows share an id.
    """
    if not rows:
        raise DataError(f"{source}: no problems in it; give a set that has rows")
    count = split_settings(study.problems, split).count
    if count is not None and count > len(rows):
        raise DataError(
            f"{source}: it has {len(rows)} problems, but problems.{split}.count asks for {count};"
            f" lower the count, or leave it out to take all"
        )
    chosen = rows[:count]
    _refuse_shared_ids(chosen)
    return [_problem(row, study) for row in chosen]


def question_columns(study: Study, split: str) -> dict[str, str]:
    """The column of the question in each language that the source of a split brings."""
    template = columns_of(study.problems, split)[0].question
    return {code: template.replace("{language}", code) for code in languages_brought(study, split)}


def require_columns(
    needed: Mapping[str, str], present: Sequence[str], place: str, problems: Problems, split: str
) -> None:
    """Refuse a place that lacks a language's question column, the answer's or the id's.

    ``needed`` maps the languages read from this place to their columns.
    """
    columns, key = columns_of(problems, split)
    there = f"the columns there are: {', '.join(present) or 'none'}"
    missing = [code for code, column in needed.items() if column not in present]
    if missing:
        wanted = ", ".join(repr(needed[code]) for code in missing)
        raise DataError(
            f"{place}: no question in {', '.join(missing)}: column {wanted} is missing; {there}."
            f" Set {key}.question, or take the language out of the study"
        )
    for name, column in (("answer", columns.answer), ("id", columns.id)):
        if column is not None and column not in present:
            raise DataError(f"{place}: column {column!r} is missing; {there}. Set {key}.{name}")


def same_text(text: str) -> str:
    """A key equal for texts that differ only in case, spacing or Unicode form (our choice)."""
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return hashlib.sha256(plain.encode("utf-8")).hexdigest()


def shown(value: Any) -> str:
    """A value short enough for a message."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def half_letter(text: str) -> bool:
    """Whether a text holds half a character (a lone surrogate), which no file can keep."""
    return any("\ud800" <= character <= "\udfff" for character in text)


def unreadable(text: str) -> str | None:
    """What keeps a text from being one that can be read; None if nothing does.

    Control characters other than a break of lines or pages and a tab are no text: a backslash that
    JSON took for an escape (``\\b`` of ``\\beta``) leaves one.
    """
    if all(one.isspace() or unicodedata.category(one) == "Cf" for one in text):
        return "is empty; write it, or remove the row"
    if half_letter(text):
        return "holds half a character (a lone surrogate); write the row again as UTF-8"
    for one in text:
        if unicodedata.category(one) == "Cc" and one not in _BREAKS:
            return (
                f"holds the control character U+{ord(one):04X}; take it out (in JSON, a backslash"
                " of LaTeX is written twice)"
            )
    return None


def _problem(row: Row, study: Study) -> SourceProblem:
    questions = {code: _question(row, code) for code in row.questions}
    return SourceProblem(
        row=str(row.id),
        answer=_answer(row, study.problems.answer) if row.answered else "",
        questions=questions,
        duplicate_key=_duplicate_key(row, questions, study),
    )


def _question(row: Row, language: str) -> str:
    text = row.questions[language]
    text = "" if text is None else text
    if not isinstance(text, str):
        raise DataError(
            f"{row.place}: the question in {language} is {shown(text)}, not text; mend the row,"
            f" or set problems.columns.question to the column of the text"
        )
    if fault := unreadable(text):
        raise DataError(f"{row.place}: the question in {language} {fault}")
    return text


def _answer(row: Row, rule: Answer) -> str:
    value = row.answer
    allowed = f"an {rule.type} from {rule.low} to {rule.high}"
    if value is None or not str(value).strip():
        raise DataError(f"{row.place}: no answer; give {allowed}, or remove the row")
    whole = isinstance(value, float) and value.is_integer()
    # A table of text writes a whole number of a column of floats with its point.
    written = str(int(value)) if whole else _POINT_ZERO.sub(r"\1", str(value).strip())
    answer = canonical(written, rule)
    if answer is None:
        raise DataError(
            f"{row.place}: the answer is {shown(value)}, but problems.answer allows {allowed};"
            f" mend the row, or widen problems.answer"
        )
    return answer


def _duplicate_key(row: Row, questions: Mapping[str, str], study: Study) -> str:
    if study.problems.duplicates == "question":
        return same_text(questions[study.problems.language])
    if row.duplicate_key is None:
        raise StudyError(
            "problems.duplicates: 'events' is the organism's rule; this set needs 'question'"
        )
    return row.duplicate_key


def _refuse_shared_ids(rows: Sequence[Row]) -> None:
    seen: dict[str, str] = {}
    for row in rows:
        name = "" if row.id is None else str(row.id)
        if not name.strip():
            raise DataError(f"{row.place}: the id is empty; give every problem its own id")
        if half_letter(name):
            raise DataError(
                f"{row.place}: the id {name!r} holds half a character (a lone surrogate); write the"
                f" row again as UTF-8"
            )
        if name in seen:
            raise DataError(
                f"{row.place}: the id {name!r} is already that of {seen[name]}; give every problem"
                f" its own id, or leave problems.columns.id out to number the rows"
            )
        seen[name] = row.place
