from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitt_assets.method.estimates.effort import Effort, step_ends


@pytest.mark.parametrize(
    ("thought", "ends"),
    [
        ("One. Two!", [4, 9]),
        ("Pi is 3.14 here", []),
        ("line\nline\n", [4, 9]),
        ("Done.\n\n\nNext", [5]),
        ("\n\nfirst", []),
        ('He said "no." Then (x.)', [13, 23]),
        ("**so.** and", [7]),
        ("trailing  \n", [8]),
        ("wait\u2026 what?", [5, 11]),
        ("tiếng Việt. Xong", [11]),
        ("", []),
        ("   ", []),
    ],
)
def test_a_step_is_a_completed_sentence_or_line(thought: str, ends: list[int]) -> None:
    assert step_ends([thought])[0].tolist() == ends


@given(st.lists(st.text(alphabet='ab.!" \n\x00', max_size=12), max_size=6))
def test_thoughts_scanned_together_are_those_scanned_alone(thoughts: list[str]) -> None:
    together = step_ends(thoughts)
    assert [one.tolist() for one in together] == [step_ends([one])[0].tolist() for one in thoughts]


def test_effort_at_a_budget_counts_what_stands_before_it() -> None:
    traces = pl.DataFrame(
        {"text": ["Hi. You.</think>7"], "offsets": [[0, 3, 8, 16]], "think_tokens": [2]}
    )
    effort = Effort.of(traces)
    tokens = np.array([[0, 1, 2, 4]])
    assert effort.characters_at(tokens).tolist() == [[0, 3, 8, 17]]
    assert effort.steps_at(tokens).tolist() == [[0, 1, 2, 2]]


def test_a_trace_without_tokens_has_no_effort() -> None:
    traces = pl.DataFrame(
        {"text": ["", "a"], "offsets": [[], [0]], "think_tokens": [0, 1]},
        schema={"text": pl.String, "offsets": pl.List(pl.Int32), "think_tokens": pl.Int64},
    )
    assert Effort.of(traces).characters_at(np.array([[5], [5]])).tolist() == [[0], [1]]
