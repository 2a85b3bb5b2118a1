"""Budget forcing (s1, arXiv 2501.19393), written once above any engine.

Rounds instead of one long generation: everything unfinished is continued to the budget, and only
requests that stopped by themselves get a wait word and another round. A round's seed comes from the
trace's seed and the round's number, so the trace without waits is a prefix of the trace with them,
and one generation yields both curves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from mitt_assets.errors import DataError, StudyError
from mitt_assets.method.identity import seed_of
from mitt_assets.method.requests import Continuation, Request

Generate = Callable[[Sequence[Request]], list[Continuation]]

STOP = "stop"
BUDGET = "budget"
ANSWER_LENGTH = "answer_length"


@dataclass(frozen=True)
class Prompt:
    """What one trace starts from.

    ``tokens`` is the whole prompt, ``<think>`` included. ``prefix`` is the start of the thought,
    given instead of generated; it counts as thinking. ``wait`` replaces an end of thinking.
    """

    tokens: tuple[int, ...]
    seed: int
    prefix: tuple[int, ...] = ()
    wait: tuple[int, ...] = ()


@dataclass(frozen=True)
class ForcingSettings:
    """The hard limit of thinking tokens, the waits forced, the answer's limit, two token ids."""

    budget: int
    waits: int
    answer_tokens: int
    think_close: int
    eos: int


@dataclass(frozen=True)
class ForcedTrace:
    """A trace as the traces table stores it.

    ``token_ids`` are thought (prefix and wait words included), then ``</think>`` and the answer if
    thinking ended by itself; the eos is not stored. ``think_ends`` are the positions in the thought
    where an end of thinking was replaced.
    """

    token_ids: tuple[int, ...]
    think_tokens: int
    think_ends: tuple[int, ...]
    prefix_tokens: int
    finish_reason: str


@dataclass
class _Thought:
    """A trace being made."""

    prompt: Prompt
    tokens: list[int]
    ends: list[int] = field(default_factory=list)
    answer: list[int] = field(default_factory=list)
    finish: str = ""
    closed: bool = False

    def take(self, got: Continuation, settings: ForcingSettings) -> None:
        """Append a round's tokens; at an end of thinking wait again, answer, or finish."""
        self.tokens.extend(got.tokens)
        if not got.stopped:
            self.finish = BUDGET
            return
        end = self.tokens.pop()
        if self._may_wait(settings):
            self.ends.append(len(self.tokens))
            self.tokens.extend(self.prompt.wait)
        elif end == settings.think_close:
            self.closed = True
        else:
            self.finish = STOP

    def _may_wait(self, settings: ForcingSettings) -> bool:
        room = settings.budget - len(self.tokens)
        return len(self.ends) < settings.waits and room > len(self.prompt.wait)

    def take_answer(self, got: Continuation) -> None:
        """Append the answer, without the eos that ended it."""
        self.answer = list(got.tokens[:-1] if got.stopped else got.tokens)
        self.finish = STOP if got.stopped else ANSWER_LENGTH

    def done(self, think_close: int) -> ForcedTrace:
        """The finished trace."""
        tail = [think_close, *self.answer] if self.closed else []
        return ForcedTrace(
            token_ids=(*self.tokens, *tail),
            think_tokens=len(self.tokens),
            think_ends=tuple(self.ends),
            prefix_tokens=len(self.prompt.prefix),
            finish_reason=self.finish,
        )


def force_budget(
    prompts: Sequence[Prompt], generate: Generate, *, settings: ForcingSettings
) -> list[ForcedTrace]:
    """Generate one trace per prompt, in order, each within ``settings.budget`` thinking tokens.

    When thinking ends (``</think>`` or eos), waits are left and the wait word plus one more token
    fit, the ending token is taken out and the wait word put in its place. Otherwise ``</think>``
    stays and an answer of at most ``answer_tokens`` follows; an eos within the thought ends the
    trace without an answer. The wait word and a given prefix count as thinking.

    ``finish_reason``: "stop" (ended by eos), "budget" (thought cut), "answer_length" (answer cut).
    Raises StudyError if a wait word or prefix cannot be used, and DataError if the engine's reply
    does not fit what was asked.
    """
    thoughts = [_started(prompt, settings) for prompt in prompts]
    for number in range(settings.waits + 1):
        open_ = [t for t in thoughts if not t.finish and not t.closed]
        _round(open_, generate, settings, number)
    closed = [t for t in thoughts if t.closed]
    asked = [_answer_request(t, settings) for t in closed]
    for thought, got in zip(closed, _asked(generate, asked), strict=True):
        thought.take_answer(got)
    return [t.done(settings.think_close) for t in thoughts]


def _started(prompt: Prompt, settings: ForcingSettings) -> _Thought:
    if settings.waits and not prompt.wait:
        raise StudyError("a wait word is empty: give every language a `wait` or set waits to 0")
    if len(prompt.prefix) > settings.budget:
        raise StudyError(
            f"a given prefix of {len(prompt.prefix)} tokens is longer than the budget of "
            f"{settings.budget}: shorten inference_prefix.tokens or raise generation.budget"
        )
    for ending in {settings.think_close, settings.eos} & {*prompt.prefix, *prompt.wait}:
        raise StudyError(f"a wait word or given prefix holds token {ending}, which ends a thought")
    thought = _Thought(prompt, list(prompt.prefix))
    if len(prompt.prefix) == settings.budget:
        thought.finish = BUDGET
    return thought


def _round(
    thoughts: Sequence[_Thought], generate: Generate, settings: ForcingSettings, number: int
) -> None:
    requests = [
        Request(
            tokens=(*t.prompt.tokens, *t.tokens),
            seed=seed_of(t.prompt.seed, "thought", number),
            max_tokens=settings.budget - len(t.tokens),
            stop=(settings.think_close, settings.eos),
        )
        for t in thoughts
    ]
    for thought, got in zip(thoughts, _asked(generate, requests), strict=True):
        thought.take(got, settings)


def _answer_request(thought: _Thought, settings: ForcingSettings) -> Request:
    return Request(
        tokens=(*thought.prompt.tokens, *thought.tokens, settings.think_close),
        seed=seed_of(thought.prompt.seed, "answer"),
        max_tokens=settings.answer_tokens,
        stop=(settings.eos,),
    )


def _asked(generate: Generate, requests: Sequence[Request]) -> Iterable[Continuation]:
    """The replies, checked against the requests; the engine is not called for nothing."""
    if not requests:
        return []
    replies = generate(requests)
    if len(replies) != len(requests):
        raise DataError(f"the engine answered {len(replies)} of {len(requests)} requests")
    for request, reply in zip(requests, replies, strict=True):
        _check(request, reply)
    return replies


def _check(request: Request, reply: Continuation) -> None:
    if len(reply.tokens) > request.max_tokens:
        raise DataError(
            f"the engine returned {len(reply.tokens)} tokens; {request.max_tokens} were allowed"
        )
    if reply.stopped and (not reply.tokens or reply.tokens[-1] not in request.stop):
        raise DataError("the engine says a stop token ended a request, but returned none")
    if not reply.stopped and len(reply.tokens) < request.max_tokens:
        raise DataError(
            f"the engine stopped after {len(reply.tokens)} of {request.max_tokens} tokens "
            "without a stop token"
        )
