from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitt_assets.errors import DataError, StudyError
from mitt_assets.method.forcing import ForcedTrace, ForcingSettings, Prompt, force_budget
from mitt_assets.method.requests import Continuation, Request

CLOSE, EOS, WAIT = 900, 901, 800
SETTINGS = ForcingSettings(budget=10, waits=1, answer_tokens=3, think_close=CLOSE, eos=EOS)
PROMPT = Prompt(tokens=(1, 2), seed=5, wait=(WAIT,))


def scripted(*replies: Sequence[int]) -> Callable[[Sequence[Request]], list[Continuation]]:
    """Answers one request after the other with what is written, up to what is allowed."""
    left = list(replies)

    def generate(requests: Sequence[Request]) -> list[Continuation]:
        return [_cut(request, left.pop(0)) for request in requests]

    return generate


def _cut(request: Request, tokens: Sequence[int]) -> Continuation:
    out: list[int] = []
    for token in tokens[: request.max_tokens]:
        out.append(token)
        if token in request.stop:
            return Continuation(tuple(out), stopped=True)
    return Continuation(tuple(out), stopped=False)


def drawn(stops: float) -> Callable[[Sequence[Request]], list[Continuation]]:
    """A model that only its seed decides, as the engines promise."""

    def generate(requests: Sequence[Request]) -> list[Continuation]:
        replies = []
        for request in requests:
            draw = Random(request.seed)
            tokens = [
                draw.choice(request.stop) if draw.random() < stops else draw.randint(10, 99)
                for _ in range(request.max_tokens)
            ]
            replies.append(_cut(request, tokens))
        return replies

    return generate


def test_an_end_of_thinking_is_replaced_by_the_wait_word() -> None:
    generate = scripted([11, 12, CLOSE], [13, CLOSE], [42, EOS])
    (trace,) = force_budget([PROMPT], generate, settings=SETTINGS)
    assert trace == ForcedTrace((11, 12, WAIT, 13, CLOSE, 42), 4, (2,), 0, "stop")


def test_thinking_is_cut_at_the_budget_wait_words_included() -> None:
    generate = scripted([11, 12, CLOSE], [13] * 50)
    (trace,) = force_budget([PROMPT], generate, settings=SETTINGS)
    assert trace == ForcedTrace((11, 12, WAIT, *[13] * 7), 10, (2,), 0, "budget")


def test_without_room_for_the_wait_word_and_one_more_token_thinking_has_ended() -> None:
    prompt = replace(PROMPT, wait=(WAIT, WAIT))
    (waits,) = force_budget([prompt], scripted([11] * 7 + [CLOSE], [12]), settings=SETTINGS)
    (ends,) = force_budget([prompt], scripted([11] * 8 + [CLOSE], [42] * 9), settings=SETTINGS)
    assert (waits.think_ends, waits.think_tokens, waits.finish_reason) == ((7,), 10, "budget")
    assert ends == ForcedTrace((*[11] * 8, CLOSE, 42, 42, 42), 8, (), 0, "answer_length")


def test_an_eos_in_the_thought_waits_like_an_end_and_else_leaves_no_answer() -> None:
    (trace,) = force_budget([PROMPT], scripted([11, EOS], [12, EOS]), settings=SETTINGS)
    assert trace == ForcedTrace((11, WAIT, 12), 3, (1,), 0, "stop")


def test_a_given_prefix_counts_as_thinking() -> None:
    asked: list[Request] = []

    def generate(requests: Sequence[Request]) -> list[Continuation]:
        asked.extend(requests)
        return [Continuation((CLOSE,), True) if len(asked) < 3 else Continuation((EOS,), True)]

    (trace,) = force_budget([replace(PROMPT, prefix=(7, 8))], generate, settings=SETTINGS)
    assert asked[0].tokens == (1, 2, 7, 8) and asked[0].max_tokens == 8
    assert trace == ForcedTrace((7, 8, WAIT, CLOSE), 3, (2,), 2, "stop")


def test_a_prefix_as_long_as_the_budget_asks_for_nothing() -> None:
    prompt = replace(PROMPT, prefix=(7,) * 10)
    (trace,) = force_budget([prompt], scripted(), settings=SETTINGS)
    assert trace == ForcedTrace((7,) * 10, 10, (), 10, "budget")


def test_only_requests_that_stopped_go_on() -> None:
    rounds: list[int] = []

    def generate(requests: Sequence[Request]) -> list[Continuation]:
        rounds.append(len(requests))
        return [
            Continuation((CLOSE,), True)
            if request.tokens[0] == 1
            else Continuation((9,) * request.max_tokens, False)
            for request in requests
        ]

    prompts = [PROMPT, replace(PROMPT, tokens=(3,))]
    with pytest.raises(DataError):  # the answer round stops at eos only
        force_budget(prompts, generate, settings=SETTINGS)
    assert rounds == [2, 1, 1]


@given(
    seeds=st.lists(st.integers(0, 2**40), min_size=1, max_size=6),
    stops=st.sampled_from([0.02, 0.2, 0.6]),
    budget=st.integers(1, 40),
    waits=st.integers(0, 4),
    prefix=st.integers(0, 3),
)
def test_whatever_the_model_says(
    seeds: list[int], stops: float, budget: int, waits: int, prefix: int
) -> None:
    settings = replace(SETTINGS, budget=budget, waits=waits)
    prompts = [
        Prompt((1,), seed, prefix=(7,) * min(prefix, budget), wait=(WAIT, WAIT)) for seed in seeds
    ]
    forced = force_budget(prompts, drawn(stops), settings=settings)
    natural = force_budget(prompts, drawn(stops), settings=replace(settings, waits=0))
    for prompt, trace, free in zip(prompts, forced, natural, strict=True):
        _well_formed(prompt, trace, settings)
        first = trace.think_ends[0] if trace.think_ends else trace.think_tokens
        assert trace.token_ids[:first] == free.token_ids[: free.think_tokens]
        if not trace.think_ends:
            assert trace == free


def _well_formed(prompt: Prompt, trace: ForcedTrace, settings: ForcingSettings) -> None:
    thought, rest = trace.token_ids[: trace.think_tokens], trace.token_ids[trace.think_tokens :]
    assert len(thought) == trace.think_tokens <= settings.budget
    assert thought[: trace.prefix_tokens] == prompt.prefix
    assert not {CLOSE, EOS} & set(thought) and EOS not in rest
    assert len(trace.think_ends) <= settings.waits
    for end in trace.think_ends:
        assert thought[end : end + 2] == prompt.wait and end + 2 < settings.budget
    if trace.finish_reason == "budget":
        assert len(thought) == settings.budget and not rest
    if rest:
        assert rest[0] == CLOSE and len(rest) - 1 <= settings.answer_tokens


def test_company_and_order_change_nothing() -> None:
    prompts = [replace(PROMPT, seed=seed) for seed in range(8)]
    together = force_budget(prompts, drawn(0.2), settings=SETTINGS)
    alone = [force_budget([one], drawn(0.2), settings=SETTINGS)[0] for one in prompts[::-1]]
    assert together == alone[::-1]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"wait": ()}, "wait word is empty"),
        ({"wait": (CLOSE,)}, "ends a thought"),
        ({"prefix": (EOS,)}, "ends a thought"),
        ({"prefix": (7,) * 11}, "longer than the budget"),
    ],
)
def test_unusable_prompts_are_refused(change: dict[str, tuple[int, ...]], says: str) -> None:
    with pytest.raises(StudyError, match=says):
        force_budget([replace(PROMPT, **change)], scripted(), settings=SETTINGS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "reply",
    [
        [],
        [Continuation((1,) * 11, False)],
        [Continuation((1,), True)],
        [Continuation((), True)],
        [Continuation((1,), False)],
    ],
)
def test_an_engine_that_does_not_do_what_was_asked_is_named(reply: list[Continuation]) -> None:
    with pytest.raises(DataError, match="engine"):
        force_budget([PROMPT], lambda _: reply, settings=SETTINGS)
