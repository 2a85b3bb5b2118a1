from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitt_assets import study
from mitt_assets.errors import DataError, StudyError
from mitt_assets.method.recipes import (
    Questions,
    anchor_count,
    build_training_set,
    choose_problems,
    kept_tokens,
)
from mitt_assets.tables import TRAINING_SET

LANGUAGES = ("en", "de", "tl")
PROBLEMS = [f"p{n}" for n in range(8)]
CLOSE, EOS = 900, 901
THOUGHT = [10, 11, 12, 13, 14]


def traces(language: str, **changes: Any) -> pl.DataFrame:
    """Two samples per problem: a thought of five tokens, ``</think>`` and an answer."""
    rows = [
        {
            "trace_id": f"{language}-{problem}-{sample}",
            "problem_id": problem,
            "sample": sample,
            "token_ids": [*THOUGHT, CLOSE, 42],
            "think_tokens": 5,
            "finish_reason": "stop",
        }
        | changes
        for problem in PROBLEMS
        for sample in (0, 1)
    ]
    return pl.DataFrame(rows)


def questions(**changes: Any) -> Questions:
    translations = {
        language: pl.DataFrame(
            {"problem_id": PROBLEMS, "translation_id": [f"{one}@{language}" for one in PROBLEMS]}
        )
        for language in LANGUAGES
    }
    settings: dict[str, Any] = {
        "translations": translations,
        "prompts": {
            f"{one}@{language}": [1, n, k]
            for k, one in enumerate(PROBLEMS)
            for n, language in enumerate(LANGUAGES)
        },
        "duplicate_keys": {one: f"key {one}" for one in PROBLEMS},
        "evaluation_keys": {"key of another"},
    }
    return Questions(**settings | changes)


ALL_TRACES = {language: traces(language) for language in LANGUAGES}
MITT = study.Recipe(prompt_languages=LANGUAGES, cut=study.Cut(tokens=3), whole_share=0.25)
OWN = MITT.model_copy(update={"source_languages": LANGUAGES, "prompt_languages": "own"})


def built(recipe: study.Recipe, **changes: Any) -> pl.DataFrame:
    given_traces = changes.pop("traces", ALL_TRACES)
    return build_training_set(given_traces, questions(**changes), recipe, EOS)


def test_mitt_puts_the_english_prefix_under_every_prompt() -> None:
    frame = built(MITT)
    assert frame.schema == TRAINING_SET.schema()
    cut = frame.filter(~pl.col("whole"))
    assert cut.height == len(PROBLEMS) * len(LANGUAGES)
    assert cut["trace_language"].unique().to_list() == ["en"]
    assert sorted(cut["prompt_language"].unique()) == sorted(LANGUAGES)
    row = cut.filter(translation_id="p2@tl").row(0, named=True)
    assert row["token_ids"] == [1, 2, 2, 10, 11, 12]
    assert row["loss_start"] == 3
    assert row["trace_id"] == "en-p2-0"


def test_own_prefix_has_as_many_sequences_and_the_same_anchor() -> None:
    mitt, own = built(MITT), built(OWN)
    assert mitt.height == own.height
    whole = pl.col("whole")
    assert mitt.filter(whole).equals(own.filter(whole))
    cut = own.filter(~whole)
    assert (cut["prompt_language"] == cut["trace_language"]).all()
    assert cut.height == len(PROBLEMS) * len(LANGUAGES)


def test_the_anchor_is_its_share_of_all_and_ends_with_eos() -> None:
    frame = built(MITT)
    whole = frame.filter("whole")
    assert whole.height / frame.height == pytest.approx(0.25)
    assert set(whole["prompt_language"]) == {"en"}
    for tokens, start in whole.select("token_ids", "loss_start").iter_rows():
        assert tokens[start:] == [*THOUGHT, CLOSE, 42, EOS]


def test_a_small_share_takes_each_trace_at_most_once() -> None:
    whole = built(MITT.model_copy(update={"whole_share": 0.1})).filter("whole")
    assert whole.height == anchor_count(24, 0.1) == 3
    assert whole["trace_id"].n_unique() == 3


def test_a_large_share_repeats_traces_evenly() -> None:
    whole = built(MITT.model_copy(update={"whole_share": 0.5})).filter("whole")
    assert whole.height == 24
    assert whole.group_by("trace_id").len()["len"].to_list() == [3] * 8
    assert whole["sequence_id"].n_unique() == 24


def test_no_eos_ever_stands_behind_a_cut() -> None:
    short = traces("en", think_tokens=2, token_ids=[10, 11, CLOSE, 42])
    for cut in (study.Cut(tokens=3), study.Cut(share=1.0)):
        frame = built(MITT.model_copy(update={"cut": cut}), traces={"en": short})
        for tokens in frame.filter(~pl.col("whole"))["token_ids"]:
            assert tokens.to_list()[3:] == [10, 11]


@given(st.integers(0, 500), st.integers(1, 600), st.floats(0, 1))
def test_a_cut_stays_within_the_thought(think_tokens: int, tokens: int, share: float) -> None:
    assert kept_tokens(think_tokens, study.Cut(tokens=tokens)) == min(tokens, think_tokens)
    assert 0 <= kept_tokens(think_tokens, study.Cut(share=share)) <= think_tokens
    assert kept_tokens(think_tokens, study.Cut()) == think_tokens


def test_without_a_cut_every_sequence_is_whole() -> None:
    recipe = study.Recipe(cut=study.Cut(), whole_share=0.5)
    frame = built(recipe)
    assert frame.height == len(PROBLEMS) and frame["whole"].all()
    assert all(tokens[-1] == EOS for tokens in frame["token_ids"])


def test_a_trace_cut_by_the_budget_is_no_anchor_and_gets_no_eos() -> None:
    cut = traces("en", token_ids=THOUGHT, finish_reason="budget")
    uncut = built(study.Recipe(cut=study.Cut()), traces={"en": cut})
    assert all(tokens[-1] == 14 for tokens in uncut["token_ids"])
    with pytest.raises(DataError, match="ended by itself"):
        built(MITT, traces={"en": cut})


def test_an_empty_thought_teaches_nothing() -> None:
    nothing = traces("en", think_tokens=0, token_ids=[CLOSE, 42])
    assert built(MITT.model_copy(update={"whole_share": 0.0}), traces={"en": nothing}).is_empty()


def test_one_trace_per_problem_right_or_wrong() -> None:
    assert set(built(MITT)["trace_id"]) == {f"en-{one}-0" for one in PROBLEMS}


def test_fewer_problems_are_drawn_without_order_and_the_same_again() -> None:
    recipe = MITT.model_copy(update={"problems": 3})
    drawn = choose_problems(PROBLEMS, 3)
    assert drawn == choose_problems(PROBLEMS[::-1], 3) == choose_problems(drawn, 3)
    assert set(built(recipe)["problem_id"]) == set(drawn)
    with pytest.raises(DataError, match="asks for 9 training problems; there are 8"):
        choose_problems(PROBLEMS, 9)


def test_training_on_an_evaluation_problem_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="p5 is also an evaluation"):
        built(MITT, evaluation_keys={"key p5"})


def test_a_problem_that_is_not_used_may_overlap() -> None:
    recipe = MITT.model_copy(update={"problems": 3})
    unused = sorted(set(PROBLEMS) - set(choose_problems(PROBLEMS, 3)))[0]
    assert built(recipe, evaluation_keys={f"key {unused}"}).height > 0


def test_what_is_missing_is_named() -> None:
    lacking = ALL_TRACES | {"en": traces("en").filter(pl.col("problem_id") != "p3")}
    with pytest.raises(DataError, match="p3 has no trace in en"):
        built(MITT, traces=lacking)
    with pytest.raises(DataError, match="has no prompt in"):
        built(MITT, prompts={})


def test_only_whole_sequences_are_a_recipe_without_a_cut() -> None:
    with pytest.raises(StudyError, match="empty `cut`"):
        built(MITT.model_copy(update={"whole_share": 1.0}))


def test_the_order_of_rows_in_the_tables_changes_nothing() -> None:
    backwards = {language: frame.reverse() for language, frame in ALL_TRACES.items()}
    assert built(MITT).equals(built(MITT, traces=backwards))
