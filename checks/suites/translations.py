"""Translations: every problem once, in this language, its numbers and formulas still there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from checks.subject import Subject, Values
from checks.suites.rules import WARNING, among, between, equal, rows, suite, unique
from checks.suites.texts_told import compared_numbers, formulas, sides
from mitt_assets.method.identity import request_id
from mitt_assets.method.protection import FORMULA
from mitt_assets.method.windows import UNDETERMINED
from resources.problem_sources.rows import same_text

if TYPE_CHECKING:
    import polars as pl
    from great_expectations import ExpectationSuite

SETTINGS = (
    "encoder",
    "problems.language",
    "translation",
    "windows.candidates",
    "windows.minimum_words",
)
CODE = (
    "checks.suites.rules",
    "checks.suites.texts_told",
    "mitt_assets.method.protection",
    "resources.encoders",
    "mitt_assets.method.identity",
    "mitt_assets.method.windows",
    "resources.language_id",
    "resources.problem_sources",
)

MACHINES = ("seq2seq", "chat")
COPIED = 0.9
"""Shared words, as a share of all: a text at or above it was copied, not translated. Names and
numbers are shared by honest translations; a whole sentence is not."""
BACK = 0.7
"""Cosine of a question and its translation put back, below which a person should look: sentence
encoders put paraphrases above it and other questions below. Our choice."""
RATIO = (0.3, 3.5)
"""Characters per character of the source. No pair of languages we know comes near either end."""

_WORD = re.compile(r"[^\W\d_]+")


def measure(subject: Subject) -> dict[str, Values]:
    """Each translation beside its problem, how often each problem is there, the language read."""
    import polars as pl

    problems = subject.parent_frame("problems")
    sources = {row["problem_id"]: row for row in problems.iter_rows(named=True)}
    read = _languages_read(subject)
    found = [
        {**_translation(subject, row, sources[row["problem_id"]]), "language read": said}
        for row, said in zip(subject.frame.iter_rows(named=True), read, strict=True)
    ]
    return {
        **_back(subject, sources),
        "problems": Values(_counted(problems, subject.frame), ("problem_id",)),
        "translations": Values(pl.DataFrame(found, infer_schema_length=None), ("translation_id",)),
        "language": Values(_shares(read, subject.own["language"]), ("language",)),
    }


def suites(subject: Subject) -> dict[str, ExpectationSuite]:
    """Judge ``measure``."""
    own = subject.own["language"]
    return {
        **_back_suite(subject),
        "problems": suite(
            "problems",
            rows("there are problems to translate"),
            between("translations", 1, 1, "every problem is translated exactly once"),
        ),
        "translations": suite(
            "translations",
            rows("there are translations"),
            equal("translation_id", "id due", "the id is the hash of problem and language"),
            among("language", [own], "the language is the partition's"),
            equal("split", "split due", "the split is the problem's"),
            equal("answer", "answer due", "the answer is the problem's"),
            equal("method", "method due", "the method is the study's"),
            between("characters", 1, None, "the question has text"),
            equal("numbers due", "numbers kept", "every number of the source is in the text"),
            equal("numbers kept", "numbers", "the text has no number of its own", WARNING),
            equal("formulas due", "formulas kept", "every formula of the source is in the text"),
            equal("formulas kept", "formulas", "the text has no formula of its own", WARNING),
            equal("order due", "order", "formulas stand in the source's order", WARNING),
            equal("question", "question due", "a question that is not translated is the source's"),
            between("words shared", 0, COPIED, "a translated question is no copy of the source"),
            between("length ratio", *RATIO, "the text is about as long as its source", WARNING),
            unique("text", "no two questions have the same text", WARNING),
            among(
                "language read",
                [own, UNDETERMINED],
                "langid reads the text as the partition's language",
                WARNING,
            ),
        ),
        "language": suite(
            "language",
            rows("the texts' languages were counted", 1, 1),
            between("share in another", 0, 0.5, "most texts are in the partition's language"),
        ),
    }


def _translation(
    subject: Subject, row: Mapping[str, Any], source: Mapping[str, Any]
) -> dict[str, Any]:
    language, settings = subject.own["language"], subject.study.problems
    text, told = row["question"], source["question"]
    original = language == settings.language
    inside, formulas_due = formulas(text), formulas(told)
    numbers_due, numbers = compared_numbers(told, text, (settings.language, language))
    return {
        "translation_id": row["translation_id"],
        "id due": request_id("translation", row["problem_id"], language),
        "language": row["language"],
        "split": row["split"],
        "split due": source["split"],
        "answer": row["answer"],
        "answer due": source["answer"],
        "method": row["method"],
        "method due": _method_due(subject, row["method"], original),
        "characters": len(text.strip()),
        **_kept("numbers", numbers_due, numbers),
        **_kept("formulas", formulas_due, inside),
        "order": "  ".join(inside),
        # Other formulas than the source's are told above; the order is that of the same ones.
        "order due": "  ".join(
            formulas_due if Counter(formulas_due) == Counter(inside) else inside
        ),
        "question": text,
        "question due": told if original else text,
        "words shared": 0.0 if original else _shared(told, text),
        "length ratio": len(text) / max(1, len(told)),
        "text": same_text(text),
    }


def _method_due(subject: Subject, method: str, original: bool) -> str:
    """The method found, if it may stand there; else one that may."""
    settings = subject.study.translation
    due = ["parallel", settings.method, *(["person"] if settings.file else [])]
    allowed = ["original"] if original else due
    return method if method in allowed else allowed[0]


def _machine(subject: Subject) -> pl.DataFrame:
    """The rows a machine made."""
    import polars as pl

    return subject.frame.filter(pl.col("method").is_in(MACHINES))


def _back(subject: Subject, sources: Mapping[str, Mapping[str, Any]]) -> dict[str, Values]:
    """How like its source each machine translation is once it is put back."""
    import polars as pl

    made = _machine(subject)
    if made.is_empty():
        return {}
    told = [sources[problem]["question"] for problem in made["problem_id"]]
    back = [text or "" for text in made["back_translation"]]
    vectors = subject.services.encoder().encode([*told, *back]).astype("float64")
    cosines = (vectors[: len(told)] * vectors[len(told) :]).sum(axis=1)
    frame = made.select("translation_id", similarity=pl.Series(cosines))
    return {"back translations": Values(frame, ("translation_id",))}


def _back_suite(subject: Subject) -> dict[str, ExpectationSuite]:
    if _machine(subject).is_empty():
        return {}
    says = "put back into its language, a machine's translation is like its source"
    checks = (
        rows("machine translations were measured"),
        between("similarity", BACK, None, says, WARNING),
    )
    return {"back translations": suite("back translations", *checks)}


def _kept(name: str, due: Sequence[str], found: Sequence[str]) -> dict[str, str]:
    return dict(zip((f"{name} due", f"{name} kept", name), sides(due, found), strict=True))


def _shared(left: str, right: str) -> float:
    """Words in both texts as a share of words in either; 0 for texts with next to no words."""
    one, other = (set(_WORD.findall(FORMULA.sub(" ", text))) for text in (left, right))
    return len(one & other) / len(one | other) if min(len(one), len(other)) > 3 else 0.0


def _languages_read(subject: Subject) -> list[str]:
    """What langid says of each question; undetermined with few words, or a language unknown."""
    settings, identifier = subject.study.windows, subject.services.identifier()
    texts = [FORMULA.sub(" ", text) for text in subject.frame["question"]]
    if subject.own["language"] not in settings.candidates:
        return [UNDETERMINED] * len(texts)
    said = identifier.identify(texts, settings.candidates).labels
    return [
        label if identifier.count_words(text) >= settings.minimum_words else UNDETERMINED
        for text, label in zip(texts, said, strict=True)
    ]


def _counted(problems: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    counts = found.group_by("problem_id").agg(translations=pl.len().cast(pl.Int64))
    asked = problems.select("problem_id", "split")
    return asked.join(counts, on="problem_id", how="left").fill_null(0)


def _shares(read: Sequence[str], own: str) -> pl.DataFrame:
    import polars as pl

    said = [one for one in read if one != UNDETERMINED]
    other = sum(one != own for one in said) / max(1, len(said))
    return pl.DataFrame([{"language": own, "read": len(said), "share in another": other}])
