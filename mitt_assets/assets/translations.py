"""Every problem in one language: from a person's file, from the set, or by machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mitt_assets.assets.models import verified_translator
from mitt_assets.assets.problems import files_read, materials
from mitt_assets.errors import DataError
from mitt_assets.lineage import canonical
from mitt_assets.method.identity import request_id
from mitt_assets.method.translating import Ask, translate_texts
from mitt_assets.study import Study
from mitt_assets.tables import TRANSLATIONS
from mitt_assets.work import Product, Tick, Work
from resources.files import chunks_of, sha256_of
from resources.problem_sources import SourceProblem, load_all
from resources.translators.person import PersonRow, read_person

if TYPE_CHECKING:
    import polars as pl

    from resources.translators import Translator

ORIGINAL, PARALLEL, PERSON = "original", "parallel", "person"
SHOWN = 10
"""Questions named when some could not be translated."""

Row = dict[str, Any]


def make(work: Work) -> Product:
    """The problems' text in this partition's language.

    Raises DataError if the source no longer gives the problems that were recorded, if a row of the
    person's file cannot serve, and if a question cannot be translated without losing what must
    stay; the message names every such row.
    """
    import polars as pl

    source, settings = work.services.problem_source(), work.study.problems
    loaded = load_all(source, settings)
    rows = _given(work, loaded)
    waiting = [row for row in rows if row["question"] is None]
    product = Product(materials={**materials(settings, loaded, source), **_file(work.study)})
    if waiting:
        _by_machine(work, waiting, product)
    methods = Counter(row["method"] for row in rows)
    product.frame = pl.DataFrame(rows, schema=TRANSLATIONS.schema(), orient="row")
    product.metadata = {"questions": len(rows), **{f"method {k}": n for k, n in methods.items()}}
    product.parameters["rows by method"] = dict(sorted(methods.items()))
    return product


def files_of(study: Study, own: Mapping[str, str]) -> dict[str, str]:
    """Digests of the problems' files and of the person's rows in this partition's language."""
    return {**files_read(study, own), **_person_digest(study, own["language"])}


def _person_digest(study: Study, language: str) -> dict[str, str]:
    """Of one language's rows, so that a row in another touches nothing here."""
    if study.translation.file is None or language not in _targets(study):
        return {}
    name = f"file {study.translation.file} ({language})"
    path = Path(study.translation.file).expanduser()
    try:
        rows = [row for row in read_person(path, _targets(study)) if row.language == language]
    except DataError:  # told when it is read; until then it counts as changed
        return {name: sha256_of(chunks_of(path)) if path.is_file() else "absent"}
    return {name: canonical.digest([[r.key, r.id, r.question] for r in rows])} if rows else {}


def _file(study: Study) -> dict[str, str]:
    """The person's file by sha256, for the statement."""
    if study.translation.file is None:
        return {}
    path = Path(study.translation.file).expanduser()
    return {f"file {study.translation.file}": sha256_of(chunks_of(path))}


def _targets(study: Study) -> list[str]:
    return [code for code in study.languages if code != study.problems.language]


def _given(work: Work, loaded: Mapping[str, Sequence[SourceProblem]]) -> list[Row]:
    """One row per problem with the text that a person or the set gives; None where neither does."""
    language, own = work.own["language"], work.study.problems.language
    found = {(split, one.row): one for split, problems in loaded.items() for one in problems}
    problems = work.table("problems")
    person = _by_person(work, problems)
    rows = []
    for problem in problems.iter_rows(named=True):
        one = _recorded(problem, found, own)
        written, text = person.get(problem["problem_id"]), one.questions.get(language)
        method = ORIGINAL if language == own else PERSON if written else PARALLEL
        rows.append(
            {
                "translation_id": request_id("translation", problem["problem_id"], language),
                "problem_id": problem["problem_id"],
                "split": problem["split"],
                "language": language,
                "question": written.question if written else text,
                "answer": one.answer,
                "method": method if written or text else work.study.translation.method,
                "back_translation": None,
            }
        )
    return rows


def _recorded(
    problem: Mapping[str, Any], found: Mapping[tuple[str, str], SourceProblem], own: str
) -> SourceProblem:
    """The problem as the source gives it. Raises DataError if that is not what was recorded."""
    one = found.get((problem["split"], problem["source_row"]))
    if one is None or (one.questions[own], one.answer) != (problem["question"], problem["answer"]):
        raise DataError(
            f"{problem['source']}: {problem['split']} problem {problem['source_row']} is not"
            f" what it was when problems was made; make it again: mitt run --select problems"
        )
    return one


def _by_person(work: Work, problems: pl.DataFrame) -> dict[str, PersonRow]:
    """The person's rows in this language, by problem id."""
    if work.study.translation.file is None:
        return {}
    ids: dict[tuple[str, str], list[str]] = {}
    for problem, row in problems.select("problem_id", "source_row").iter_rows():
        ids.setdefault(("problem_id", problem), []).append(problem)
        ids.setdefault(("id", row), []).append(problem)
    rows = read_person(Path(work.study.translation.file).expanduser(), _targets(work.study))
    found: dict[str, PersonRow] = {}
    for row in rows:
        named = ids.get((row.key, row.id), [])
        if len(named) != 1:
            what = "no problem has" if not named else f"{len(named)} problems have"
            raise DataError(
                f"{row.place}: {what} {row.key} {row.id!r}; give the problem_id of the problems"
                " table: mitt export problems"
            )
        if row.language == work.own["language"]:
            if named[0] in found:
                raise DataError(
                    f"{row.place}: {found[named[0]].place} already translates this problem into"
                    f" {row.language}; remove one of the two"
                )
            found[named[0]] = row
    return found


def _by_machine(work: Work, waiting: Sequence[Row], product: Product) -> None:
    """Translate rows in place, and note the translator in ``product``."""
    settings = work.study.translation
    if settings.method == "parallel":
        raise DataError(
            f"translations[{work.own['language']}]: {len(waiting)} questions are neither in the"
            f" set nor in {settings.file}, the first of them problem {waiting[0]['problem_id']};"
            " add them to the file, or set translation.method to seq2seq or chat"
        )
    verified_translator(work)
    translator = work.services.translator()
    if settings.method == "chat":
        work.services.engine().tell_waits(work.waiting)
    work.waiting("the translator to load")
    originals = dict(work.table("problems").select("problem_id", "question").iter_rows())

    def compute(shard: Sequence[Row], tick: Tick) -> pl.DataFrame:
        with work.model_time():
            return _shard(work, translator, shard, originals, tick)

    made = work.in_shards(waiting, "translating", compute)
    _refuse(work, made)
    for row, (question, back) in zip(
        waiting, made.select("question", "back_translation").iter_rows(), strict=True
    ):
        row.update(question=question, back_translation=back)
    product.materials.update(translator.materials())
    product.parameters["translator"] = translator.describe()


def _shard(
    work: Work,
    translator: Translator,
    shard: Sequence[Row],
    originals: Mapping[str, str],
    tick: Tick,
) -> pl.DataFrame:
    """Questions, the same translated back, and what is wrong with each."""
    import polars as pl

    own, target = work.study.problems.language, work.own["language"]
    computed = 0

    def asking(source: str, to: str) -> Ask:
        def ask(texts: Sequence[str], attempt: int) -> list[list[str]]:
            nonlocal computed
            before, last = computed, 0

            def progress(done: int, tokens: int) -> None:
                nonlocal last
                last = tokens
                tick(0, before + tokens)

            found = translator.translate(texts, source, to, attempt, progress)
            computed = before + last
            return found

        return ask

    settings = work.study.translation
    put = partial(
        translate_texts,
        by_sentence=translator.by_sentence,
        unit_words=settings.units == "words",
    )
    texts = [originals[row["problem_id"]] for row in shard]
    there = put(texts, asking(own, target), attempts=settings.attempts)
    # What is lost on the way back only lowers the similarity that is checked.
    back = put([one.text for one in there], asking(target, own), attempts=1)
    tick(len(shard), computed)
    return pl.DataFrame(
        {
            "problem_id": [row["problem_id"] for row in shard],
            "question": [one.text for one in there],
            "complaint": [one.complaint for one in there],
            "back_translation": [one.text for one in back],
        }
    )


def _refuse(work: Work, made: pl.DataFrame) -> None:
    """Raises DataError naming every question that lost something."""
    wrong = made.filter(made["complaint"] != "")
    if wrong.is_empty():
        return
    listed = [
        f"  problem {problem}: {complaint}"
        for problem, complaint in wrong.select("problem_id", "complaint").head(SHOWN).iter_rows()
    ]
    more = [f"  and {wrong.height - SHOWN} more"] if wrong.height > SHOWN else []
    raise DataError(
        "\n".join(
            [
                f"translations[{work.own['language']}]: {wrong.height} of {made.height} questions"
                " lost a number, a unit, a formula or a name in translation:",
                *listed,
                *more,
                "Write them yourself in translation.file, raise translation.attempts, or choose"
                " another translation.source",
            ]
        )
    )
