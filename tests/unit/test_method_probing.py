from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mitt_assets.method.probing import (
    PlannedProbe,
    ProbeForm,
    canonical,
    line_ends,
    own_answer,
    plan_branches,
    probes_frame,
    read_answer,
)
from mitt_assets.method.requests import Branch
from mitt_assets.study import Answer
from mitt_assets.tables import PROBES

FORM = ProbeForm(stride=32, opening=(1,), suffix=(2, 3))
RULE = Answer(low=0, high=999)


def plan(
    think_tokens: int, think_ends: tuple[int, ...] = (), ended: bool = True, own: bool = False
) -> list[PlannedProbe]:
    return plan_branches(
        think_tokens=think_tokens,
        think_ends=think_ends,
        ended=ended,
        own=own,
        form=FORM,
        ends_line=lambda position: position == 64,
    )


def forced(kind: str, waits: int, at: int) -> PlannedProbe:
    return PlannedProbe(kind, waits, at, Branch(at, (2, 3) if at == 64 else (1, 2, 3)))


def test_a_forced_trace_is_read_at_checkpoints_at_every_end_and_at_its_end() -> None:
    assert plan(70, think_ends=(40,)) == [
        forced("checkpoint", 0, 32),
        forced("checkpoint", 1, 64),
        forced("end", 0, 40),
        forced("end", 1, 70),
        forced("terminal", 1, 70),
    ]


def test_a_cut_trace_has_no_end_where_it_was_cut() -> None:
    assert plan(64, think_ends=(64,), ended=False)[2:] == [
        forced("end", 0, 64),
        forced("terminal", 1, 64),
    ]
    assert [one.kind for one in plan(20, ended=False)] == ["terminal"]


def test_an_own_answer_needs_no_branch() -> None:
    assert plan(10, own=True) == [forced("end", 0, 10), PlannedProbe("terminal", 0, 10, None)]


@settings(deadline=None)
@given(
    think_tokens=st.integers(0, 400),
    ends=st.sets(st.integers(0, 400)),
    ended=st.booleans(),
    own=st.booleans(),
)
def test_readings_are_one_row_each(
    think_tokens: int, ends: set[int], ended: bool, own: bool
) -> None:
    inside = tuple(sorted(end for end in ends if end < think_tokens))
    probes = plan(think_tokens, inside, ended, own)
    assert len({(one.kind, one.waits, one.budget) for one in probes}) == len(probes)
    assert sum(one.kind == "terminal" for one in probes) == 1
    assert all(one.branch is None or one.branch.position == one.budget for one in probes)


def test_lines_end_where_the_text_does() -> None:
    ends_line = line_ends("a\nbc", [0, 1, 2])
    assert [ends_line(n) for n in range(4)] == [True, False, True, False]
    assert line_ends("a\n", [0])(1)


@pytest.mark.parametrize(
    ("raw", "answer"),
    [
        ("23} and more}", "23"),
        (r"\frac{1}{2}}", r"\frac{1}{2}"),
        (r"a\}b}", r"a\}b"),
        ("}", ""),
        ("23", None),
        ("{23}", None),
        ("", None),
    ],
)
def test_a_forced_answer_ends_at_the_first_unbalanced_brace(raw: str, answer: str | None) -> None:
    assert read_answer(raw) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"so \boxed{1} or \boxed{2}.", "2"),
        (r"\boxed{1} then \boxed{2", "1"),
        (r"\boxed {\text{a}{b}}", r"\text{a}{b}"),
        ("no box {3}", None),
    ],
)
def test_the_last_balanced_box_is_the_traces_own_answer(text: str, answer: str | None) -> None:
    assert own_answer(text) == answer


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("023", "23"),
        (" 2 3 ", "23"),
        ("$23$", "23"),
        (r"23^\circ", "23"),
        (r"23^{\circ}", "23"),
        ("23°", "23"),
        (r"23\text{ apples}", "23"),
        (r"\text{23}", "23"),
        (r"\,23\!", "23"),
        ("+7", "7"),
        ("-0", "0"),
        ("999", "999"),
        ("1000", None),
        ("-1", None),
        ("2.5", None),
        (r"\frac{1}{2}", None),
        ("twelve", None),
        ("²", None),
        ("9" * 5000, None),
        ("", None),
        (None, None),
    ],
)
def test_one_way_to_write_an_integer(answer: str | None, value: str | None) -> None:
    assert canonical(answer, RULE) == value


@settings(deadline=None)
@given(st.integers(0, 999))
def test_the_canonical_answer_stays_itself(value: int) -> None:
    assert canonical(str(value).zfill(3), RULE) == canonical(str(value), RULE) == str(value)


@settings(deadline=None)
@given(st.text(alphabet="{}\\ 1$°tex", max_size=30))
def test_no_text_breaks_the_reading(text: str) -> None:
    answer = read_answer(text)
    assert answer is None or text.startswith(answer + "}")
    canonical(answer, RULE)
    own_answer(text)


def test_the_table_says_what_was_read_and_whether_it_is_right() -> None:
    frame = probes_frame(
        {"t": plan(40, own=True)}, {"t": ["7}", "8", r"</think>\boxed{07}"]}, {"t": "7"}, RULE
    )
    assert frame.schema == PROBES.schema()
    assert frame.select("kind", "budget", "own", "answer", "correct").rows() == [
        ("checkpoint", 32, False, "7", True),
        ("end", 40, False, None, False),
        ("terminal", 40, True, "7", True),
    ]
