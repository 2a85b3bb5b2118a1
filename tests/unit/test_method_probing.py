from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitt_assets.method.probing import (
    PlannedProbe,
    ProbeForm,
    canonical,
    doubling,
    line_ends,
    own_answer,
    plan_branches,
    probes_frame,
    read_answer,
    read_branches,
    stable_after,
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


@given(st.integers(0, 999))
def test_the_canonical_answer_stays_itself(value: int) -> None:
    assert canonical(str(value).zfill(3), RULE) == canonical(str(value), RULE) == str(value)


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


@pytest.mark.parametrize(
    ("answers", "after"),
    [
        (["1", "2", "2", "2", "3"], 4),
        (["1", "1", "1"], 3),
        (["1", "1", None, "1", "1", "1"], 6),
        ([None, None, None], None),
        (["1", "2", "1", "2"], None),
        ([], None),
    ],
)
def test_an_answer_is_stable_once_it_was_given_three_times_in_a_row(
    answers: list[str | None], after: int | None
) -> None:
    assert stable_after(answers, 3) == after


@given(st.integers(0, 400), st.integers(1, 30))
def test_doubling_parts_cover_everything_once_and_re_read_twice_as_much_at_most(
    count: int, first: int
) -> None:
    parts = list(doubling(count, first))
    assert [at for part in parts for at in range(count)[part]] == list(range(count))
    assert sum(part.stop for part in parts) <= 3 * max(count, 1) + first * len(parts)


ANSWERS = st.lists(st.sampled_from(["1}", "2}", "no"]), min_size=0, max_size=40)


@given(st.lists(ANSWERS, min_size=1, max_size=4), st.integers(2, 5))
def test_stopping_changes_no_reading_before_the_place_where_it_stops(
    written: list[list[str]], times: int
) -> None:
    """Beside: traces are asked for nothing past the part in which they stop."""
    plans = [plan(32 * len(texts), think_ends=(10,)) for texts in written]
    asked: list[int] = []

    def ask(some: Sequence[int], branches: Sequence[Sequence[Branch]]) -> list[list[str]]:
        asked.extend(one.position for own in branches for one in own)
        return [
            [
                written[i][b.position // 32 - 1] if b.position % 32 == 0 and b.position else "9}"
                for b in own
            ]
            for i, own in zip(some, branches, strict=True)
        ]

    whole = read_branches(plans, ask, None, RULE)
    everything = len(asked)
    asked.clear()
    stopped = read_branches(plans, ask, times, RULE)
    assert len(asked) <= everything
    for texts, all_of_them, some in zip(written, whole, stopped, strict=True):
        stop = stable_after([canonical(read_answer(one), RULE) for one in texts], times)
        cut = len(texts) if stop is None else stop
        assert some[:cut] == texts[:cut]
        assert some[cut : len(texts)] == [None] * (len(texts) - cut)
        assert some[len(texts) :] == all_of_them[len(texts) :]


def test_a_reading_that_is_carried_is_the_last_one_and_says_so() -> None:
    probes = plan(130)
    raws: dict[str, list[str | None]] = {"t": ["7}", "8}", None, None, "9}", "8}"]}
    frame = probes_frame({"t": probes}, raws, {"t": "8"}, RULE)
    assert frame["raw"].to_list() == ["7}", "8}", "8}", "8}", "9}", "8}"]
    assert frame["carried"].to_list() == [False, False, True, True, False, False]
    assert frame["correct"].to_list() == [False, True, True, True, False, True]
