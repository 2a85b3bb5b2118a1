"""Training sets: choose traces, cut them, mix in whole ones, pair them with prompts.

One schema holds UPFT (arXiv 2503.02875), MITT (arXiv 2505.15508) and their controls: what differs
is the language of the traces, of the prompts, the cut and the share of whole traces.

A recipe makes one prefix sequence per training problem, source language and prompt language, so a
recipe with six prompt languages and one with six source languages under their own prompts have
equally many, and the same anchor beside them. Whole traces come on top until they are
``whole_share`` of all sequences; where that is more than there are, traces are repeated evenly.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import polars as pl

from mitt_assets import study
from mitt_assets.errors import DataError, StudyError
from mitt_assets.method.identity import request_id
from mitt_assets.tables import TRAINING_SET

_COLUMNS = ("problem_id", "trace_id", "token_ids", "think_tokens", "finish_reason", "language")


@dataclass(frozen=True)
class Questions:
    """What training prompts are made of.

    ``translations`` is a translations table per language, ``prompts`` has the prompt's tokens
    (opening of the thought included) per translation_id, ``duplicate_keys`` one key per training
    problem, and ``evaluation_keys`` the keys of all evaluation and development problems.
    """

    translations: Mapping[str, pl.DataFrame]
    prompts: Mapping[str, Sequence[int]]
    duplicate_keys: Mapping[str, str]
    evaluation_keys: Collection[str]


@dataclass(frozen=True)
class Source:
    """A chosen trace: what a training sequence is cut from."""

    problem_id: str
    trace_id: str
    token_ids: list[int]
    think_tokens: int
    finish_reason: str
    language: str

    @property
    def finished(self) -> bool:
        """Thought, ``</think>`` and an answer that eos ended."""
        return self.finish_reason == "stop" and len(self.token_ids) > self.think_tokens + 1


def choose_problems(problem_ids: Iterable[str], count: int | None) -> list[str]:
    """``count`` training problems (all if None), drawn by hash: the draw knows no order.

    Drawing again from what was drawn changes nothing. Raises DataError if there are too few.
    """
    drawn = sorted(set(problem_ids), key=lambda one: request_id("training problem", one))
    if count is not None and count > len(drawn):
        raise DataError(f"the recipe asks for {count} training problems; there are {len(drawn)}")
    return drawn[:count]


def choose_traces(
    traces: pl.DataFrame, language: str, problem_ids: Sequence[str]
) -> dict[str, Source]:
    """One self-sampled trace per problem (sample 0), whether right or wrong (as UPFT does).

    By problem_id, in the order asked. Raises DataError naming a problem without a trace.
    """
    first = traces.filter(pl.col("sample") == 0).with_columns(language=pl.lit(language))
    found = {row[0]: Source(*row) for row in first.select(_COLUMNS).iter_rows()}
    for problem_id in problem_ids:
        if problem_id not in found:
            raise DataError(
                f"training problem {problem_id} has no trace in {language}: "
                "materialise training_traces again"
            )
    return {problem_id: found[problem_id] for problem_id in problem_ids}


def build_training_set(
    traces: Mapping[str, pl.DataFrame], questions: Questions, recipe: study.Recipe, eos: int
) -> pl.DataFrame:
    """The training_set table of a recipe; ``traces`` is a traces table per source language.

    A prefix sequence is the prompt and the first kept tokens of the thought: never an answer token,
    and never eos, which behind a cut would teach the model to stop there. A whole sequence is the
    prompt of the trace's own language, the thought, ``</think>``, the answer and eos. Where the
    recipe cuts nothing, every sequence is whole and the share is not used; a trace that was cut by
    a limit then stays without eos. Empty thoughts are left out.

    Raises DataError if a training problem is also an evaluation problem, or a trace, a translation
    or (for the anchor) every finished trace is missing.
    """
    problems = choose_problems(questions.duplicate_keys, recipe.problems)
    _refuse_overlap(problems, questions)
    needed = dict.fromkeys((*recipe.source_languages, *recipe.whole_languages))
    chosen = {
        language: choose_traces(traces[language], language, problems)
        for language in needed
        if language in recipe.source_languages or recipe.whole_share > 0
    }
    builder = _Builder(questions, eos)
    cut = _prefix_rows(builder, chosen, problems, recipe)
    rows = [*cut, *_anchor_rows(builder, chosen, problems, recipe, len(cut))]
    return pl.DataFrame(rows, schema=TRAINING_SET.schema(), orient="row")


def kept_tokens(think_tokens: int, cut: study.Cut) -> int:
    """How many thinking tokens a cut keeps: never more than there are, at least one of a share."""
    if cut.tokens is not None:
        return min(cut.tokens, think_tokens)
    if cut.share is not None:
        return min(think_tokens, max(1, round(cut.share * think_tokens)))
    return think_tokens


def anchor_count(prefixes: int, share: float) -> int:
    """How many whole sequences make ``share`` of all, beside ``prefixes`` cut ones.

    Raises StudyError for a share of 1: whole traces alone are a recipe with an empty cut.
    """
    if share == 1:
        raise StudyError("whole_share 1 leaves no room for prefixes: give an empty `cut` instead")
    return round(prefixes * share / (1 - share))


def _refuse_overlap(problems: Sequence[str], questions: Questions) -> None:
    forbidden = set(questions.evaluation_keys)
    for problem_id in problems:
        if questions.duplicate_keys[problem_id] in forbidden:
            raise DataError(
                f"training problem {problem_id} is also an evaluation or development problem: "
                "take it out of the training split"
            )


Row = tuple[str, str, str, str, str, str, bool, list[int], int]


class _Builder:
    """Makes rows; looks prompts up by problem and language."""

    def __init__(self, questions: Questions, eos: int) -> None:
        self._prompts = questions.prompts
        self._eos = eos
        self._translations = {
            (language, problem_id): translation_id
            for language, frame in questions.translations.items()
            for problem_id, translation_id in frame.select(
                "problem_id", "translation_id"
            ).iter_rows()
        }

    def prefix(self, source: Source, language: str, kept: int) -> Row:
        """A cut thought under a prompt."""
        return self._row(source, language, source.token_ids[:kept], f"first {kept}", False)

    def whole(self, source: Source, language: str, copy: int = 0) -> Row:
        """A whole trace under a prompt; eos only where the trace ended by itself."""
        ended = source.finish_reason == "stop"
        tokens = [*source.token_ids, *([self._eos] if ended else [])]
        return self._row(source, language, tokens, f"whole {copy}", True)

    def _row(
        self, source: Source, language: str, tokens: Sequence[int], cut: str, whole: bool
    ) -> Row:
        translation_id = self._translation(source.problem_id, language)
        prompt = self._prompts[translation_id]
        return (
            request_id("training sequence", source.trace_id, translation_id, cut),
            source.trace_id,
            translation_id,
            source.problem_id,
            language,
            source.language,
            whole,
            [*prompt, *tokens],
            len(prompt),
        )

    def _translation(self, problem_id: str, language: str) -> str:
        found = self._translations.get((language, problem_id))
        if found is None or found not in self._prompts:
            raise DataError(f"training problem {problem_id} has no prompt in {language}")
        return found


def _prefix_rows(
    builder: _Builder,
    chosen: Mapping[str, Mapping[str, Source]],
    problems: Sequence[str],
    recipe: study.Recipe,
) -> list[Row]:
    """One row per problem, source language and prompt language."""
    uncut = recipe.cut.tokens is None and recipe.cut.share is None
    own = recipe.prompt_languages == "own"
    rows = []
    for problem_id in problems:
        for source_language in recipe.source_languages:
            source = chosen[source_language][problem_id]
            for language in (source_language,) if own else recipe.prompt_languages:
                kept = kept_tokens(source.think_tokens, recipe.cut)
                if kept:
                    rows.append(
                        builder.whole(source, language)
                        if uncut
                        else builder.prefix(source, language, kept)
                    )
    return rows


def _anchor_rows(
    builder: _Builder,
    chosen: Mapping[str, Mapping[str, Source]],
    problems: Sequence[str],
    recipe: study.Recipe,
    prefixes: int,
) -> list[Row]:
    """Whole traces in an order that only problem and language decide, so that variants share it."""
    if recipe.whole_share == 0 or (recipe.cut.tokens is None and recipe.cut.share is None):
        return []
    finished = [
        chosen[language][problem_id]
        for problem_id in problems
        for language in recipe.whole_languages
        if chosen[language][problem_id].finished
    ]
    if not finished:
        raise DataError(
            f"no trace in {', '.join(recipe.whole_languages)} ended by itself, so there is nothing "
            "to make the recipe's whole sequences of: raise generation.budget or answer_tokens"
        )
    finished.sort(key=lambda one: request_id("anchor", one.problem_id, one.language))
    count = anchor_count(prefixes, recipe.whole_share)
    copies = ((source, copy) for copy in range(count) for source in finished)
    return [builder.whole(source, source.language, copy) for source, copy in islice(copies, count)]
