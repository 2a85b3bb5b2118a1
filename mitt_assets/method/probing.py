"""Where a trace is read, what is read there, and what counts as an answer.

A probe is a branch: the first tokens of the thought, a suffix that forces an answer, greedy
decoding. It is never fed back. Prefix and suffix are joined as token ids, because text that is
tokenised again may come out as other tokens.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from mitt_assets import study
from mitt_assets.method.requests import Branch
from mitt_assets.tables import PROBES

CHECKPOINT = "checkpoint"
END = "end"
TERMINAL = "terminal"

_BOX = re.compile(r"\\boxed\s*\{")
_TEXT = re.compile(r"\\(?:text|mathrm)\s*\{([^{}]*)\}")
_DEGREE = re.compile(r"\^\s*(?:\{\s*\\circ\s*\}|\\circ)|\\degree|°")
_SPACING = re.compile(r"\\(?:[,;:! ]|quad|qquad)|~|\\?\$|\s")
_INTEGER = re.compile(r"[+-]?[0-9]+")
_LONGEST_INTEGER = 18


@dataclass(frozen=True)
class PlannedProbe:
    """A point where an answer is read; ``branch`` is None where the trace's own answer is read."""

    kind: str
    waits: int
    budget: int
    branch: Branch | None


@dataclass(frozen=True)
class ProbeForm:
    """Tokens between checkpoints, and the ids that force an answer, the opening apart."""

    stride: int
    opening: tuple[int, ...]
    suffix: tuple[int, ...]


def plan_branches(
    *,
    think_tokens: int,
    think_ends: Sequence[int],
    ended: bool,
    own: bool,
    form: ProbeForm,
    ends_line: Callable[[int], bool],
) -> list[PlannedProbe]:
    """The readings of one trace: checkpoints, every end of thinking, and the terminal one.

    ``ended``: thinking ended by itself (finish_reason is not "budget"). ``own``: the text after the
    thought holds a boxed answer. ``ends_line(position)``: the first ``position`` tokens end a line,
    so that the opening is left out. A checkpoint's waits are the replaced ends at or before it; the
    k-th end of thinking has k waits before it, from 0.
    """

    def branch(position: int) -> Branch:
        opening = () if ends_line(position) else form.opening
        return Branch(position, (*opening, *form.suffix))

    checkpoints = [
        PlannedProbe(CHECKPOINT, bisect_right(think_ends, at), at, branch(at))
        for at in range(form.stride, think_tokens + 1, form.stride)
    ]
    stops = [*think_ends, think_tokens] if ended else list(think_ends)
    ends = [PlannedProbe(END, waits, at, branch(at)) for waits, at in enumerate(stops)]
    last = None if own else branch(think_tokens)
    return [*checkpoints, *ends, PlannedProbe(TERMINAL, len(think_ends), think_tokens, last)]


def line_ends(text: str, offsets: Sequence[int]) -> Callable[[int], bool]:
    """Whether the first n tokens of a trace end a line; none do, as the prompt ends with one."""

    def ends_line(position: int) -> bool:
        at = offsets[position] if position < len(offsets) else len(text)
        return at == 0 or text[at - 1] == "\n"

    return ends_line


def read_answer(raw: str) -> str | None:
    """What stands before the first unbalanced ``}``; None if the brace is never closed."""
    depth = 0
    escaped = False
    for at, character in enumerate(raw):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == "{":
            depth += 1
        elif character == "}":
            if depth == 0:
                return raw[:at]
            depth -= 1
    return None


def own_answer(text: str) -> str | None:
    """What the last balanced ``\\boxed{}`` of the text after the thought holds, or None."""
    for box in reversed(list(_BOX.finditer(text))):
        answer = read_answer(text[box.end() :])
        if answer is not None:
            return answer
    return None


def canonical(answer: str | None, rule: study.Answer) -> str | None:
    """The one way an integer is written: ``$023\\text{ apples}$`` is "23".

    Spacing, dollar signs, degree signs and ``\\text{}`` (unless it holds the digits) are dropped.
    None if what is left is no integer between ``rule.low`` and ``rule.high``.
    """
    if answer is None:
        return None
    bare = _TEXT.sub(lambda m: m[1] if re.search(r"[0-9]", m[1]) else "", answer)
    bare = _SPACING.sub("", _DEGREE.sub("", bare))
    if len(bare) > _LONGEST_INTEGER or _INTEGER.fullmatch(bare) is None:
        return None
    value = int(bare)
    return str(value) if rule.low <= value <= rule.high else None


def stable_after(answers: Sequence[str | None], times: int) -> int | None:
    """How many checkpoints it takes until an answer was given ``times`` times in a row.

    None if it never is. No answer is not an answer: a trace that gives none goes on being read.
    """
    run = 0
    for at, answer in enumerate(answers):
        same = at > 0 and answer == answers[at - 1]
        run = 0 if answer is None else run + 1 if same else 1
        if run == times:
            return at + 1
    return None


def doubling(count: int, first: int) -> Iterator[slice]:
    """``count`` checkpoints in parts, each twice the one before.

    Each part reads the trace from its beginning, which costs twice the trace at most in all.
    """
    start, size = 0, first
    while start < count:
        yield slice(start, min(count, start + size))
        start, size = start + size, 2 * size


Ask = Callable[[Sequence[int], Sequence[Sequence[Branch]]], Sequence[Sequence[str]]]
"""Numbers of traces and the branches of each to be read; what each branch writes."""


def read_branches(
    plans: Sequence[Sequence[PlannedProbe]], ask: Ask, times: int | None, rule: study.Answer
) -> list[list[str | None]]:
    """Per trace, what every planned branch writes, in order.

    With ``times``, a trace that gave the same answer that often in a row is read no further: its
    later checkpoints are None. Ends of thinking and the terminal reading are always read.
    """
    every = range(len(plans))
    early = [
        [one.branch for one in plan if one.branch and one.kind == CHECKPOINT] for plan in plans
    ]
    late = [[one.branch for one in plan if one.branch and one.kind != CHECKPOINT] for plan in plans]
    if times is None:
        found = ask(every, [a + b for a, b in zip(early, late, strict=True)])
        return [list(texts) for texts in found]
    read = _until_stable(early, ask, times, rule)
    return [
        [*texts, *([None] * (len(early[i]) - len(texts))), *ends]
        for i, (texts, ends) in enumerate(zip(read, ask(every, late), strict=True))
    ]


def _until_stable(
    branches: Sequence[Sequence[Branch]], ask: Ask, times: int, rule: study.Answer
) -> list[list[str]]:
    """What the checkpoints of each trace write, up to where its answer is stable.

    They are asked for in parts; what a part has beyond that place is dropped, so that the size of
    the parts decides nothing.
    """
    read: list[list[str]] = [[] for _ in branches]
    going = list(range(len(branches)))
    for part in doubling(max(map(len, branches), default=0), 2 * times):
        going = [i for i in going if branches[i][part]]
        found = ask(going, [branches[i][part] for i in going]) if going else []
        for i, texts in zip(going, found, strict=True):
            read[i] += texts
        stops = {
            i: stable_after([canonical(read_answer(one), rule) for one in read[i]], times)
            for i in going
        }
        for i, stop in stops.items():
            read[i] = read[i][:stop]
        going = [i for i in going if stops[i] is None]
    return read


def probes_frame(
    plans: Mapping[str, Sequence[PlannedProbe]],
    raws: Mapping[str, Sequence[str | None]],
    golds: Mapping[str, str],
    rule: study.Answer,
) -> pl.DataFrame:
    """The probes table. All three arguments are by trace_id.

    ``raws`` has one text per planned probe: what the branch wrote, or, for the trace's own answer,
    the text after the thought. None carries the last text on. ``golds`` are the problems' answers.
    """
    rows = [
        row
        for trace_id, probes in plans.items()
        for row in _rows(trace_id, probes, raws[trace_id], golds[trace_id], rule)
    ]
    return pl.DataFrame(rows, schema=PROBES.schema(), orient="row")


_Row = tuple[str | int | bool | None, ...]


def _rows(
    trace_id: str,
    probes: Sequence[PlannedProbe],
    raws: Sequence[str | None],
    gold: str,
    rule: study.Answer,
) -> Iterator[_Row]:
    last = ""
    due = canonical(gold, rule)
    for planned, raw in zip(probes, raws, strict=True):
        last = last if raw is None else raw
        own = planned.branch is None
        answer = canonical(own_answer(last) if own else read_answer(last), rule)
        correct = answer is not None and answer == due
        place = (trace_id, planned.kind, planned.waits, planned.budget)
        yield (*place, last, own, answer, correct, raw is None)
