"""What may be asked of an engine, and how what is asked is divided into batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from mitt_assets.errors import ModelError
from mitt_assets.method.requests import Branch, ProbeRequest, Request
from resources.engines.base import Progress

Asked = TypeVar("Asked")
Made = TypeVar("Made")

_MEMORY_SHARE = 0.85
"""Of the free device memory, for keys and values; the rest is for activations. Our choice."""


@dataclass(frozen=True)
class Limits:
    """What a model can be asked: token ids below ``vocabulary``, ``context`` tokens in all."""

    vocabulary: int
    context: int | None

    @staticmethod
    def of(config: Any, context: int | None = None) -> Limits:
        """Those of a model's configuration; ``context`` is what the engine allows at most."""
        text = config.get_text_config()
        own = getattr(text, "max_position_embeddings", None)
        return Limits(text.vocab_size, min((n for n in (own, context) if n), default=None))


class Counter:
    """Adds up requests finished and tokens computed, and reports each change."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress = progress
        self.finished = 0
        self.tokens = 0
        self._most = 0

    def __call__(self, finished: int, tokens: int) -> None:
        """Add what was done since the last call."""
        self.finished += finished
        self.tokens += tokens
        self._most = max(self._most, self.finished)
        if self.progress is not None:
            self.progress(self._most, self.tokens)

    def undo(self, finished: int) -> None:
        """Only ``finished`` requests are: what was finished since is lost, and not told back."""
        self.finished = finished


def check_requests(requests: Sequence[Request], limits: Limits) -> None:
    """Raise ModelError, naming the request: an empty prompt, an unknown token, a full context."""
    for number, request in enumerate(requests):
        place = f"request {number} (seed {request.seed})"
        _check_tokens(request.tokens, limits.vocabulary, place)
        _check_length(len(request.tokens) + request.max_tokens, limits.context, place)


def check_probes(requests: Sequence[ProbeRequest], limits: Limits) -> None:
    """The same for probes, and for positions outside the trace and empty suffixes."""
    for number, request in enumerate(requests):
        _check_tokens(request.prompt + request.trace, limits.vocabulary, f"probe request {number}")
        for branch in request.branches:
            place = f"probe request {number}, branch at {branch.position}"
            _check_branch(request, branch, limits.vocabulary, place)
            length = len(request.prompt) + branch.position + len(branch.suffix)
            _check_length(length + request.max_tokens, limits.context, place)


def as_requests(requests: Sequence[ProbeRequest]) -> list[Request]:
    """Each branch as a request of its own, in order: the prefix run afresh."""
    return [as_request(request, branch) for request in requests for branch in request.branches]


def as_request(request: ProbeRequest, branch: Branch) -> Request:
    """One branch as a request of its own. All those of a long trace are many times its tokens."""
    return Request(
        request.prompt + request.trace[: branch.position] + branch.suffix,
        seed=0,
        max_tokens=request.max_tokens,
        stop=request.stop,
    )


def extent(request: ProbeRequest) -> int:
    """Tokens up to the last branch: what a probe has to read."""
    return len(request.prompt) + max((b.position for b in request.branches), default=0)


def within(sizes: Sequence[int], limit: int) -> list[slice]:
    """Consecutive items whose padded size (the largest times their number) stays in ``limit``.

    An item larger than the limit makes a batch of its own.
    """
    batches, start, largest = [], 0, 0
    for item, size in enumerate(sizes):
        largest = max(largest, size)
        if item > start and largest * (item + 1 - start) > limit:
            batches.append(slice(start, item))
            start, largest = item, size
    return [*batches, slice(start, len(sizes))] if sizes else []


def columns_that_fit(config: Any, dtype: str, device: str) -> int | None:
    """Rows times tokens whose keys and values fit the device's free memory; None on the CPU."""
    if device == "cpu":
        return None
    import torch

    from resources.memory import available

    text = config.get_text_config()
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    column = 2 * text.num_hidden_layers * heads * width * getattr(torch, dtype).itemsize
    return int((available(device) or 0) * _MEMORY_SHARE) // column


def halving(
    asked: Sequence[Asked],
    work: Callable[[Sequence[Asked]], list[Made]],
    counted: Counter,
    note: Callable[[], None],
) -> list[Made]:
    """``work(asked)``, in two halves (and so on) where the device's memory does not suffice.

    ``note`` is called at each halving; ``counted`` is what ``work`` counts with. Raises ModelError
    if a single request does not fit.
    """
    import torch

    before = counted.finished
    try:
        with torch.inference_mode():
            return work(asked)
    except torch.OutOfMemoryError as problem:
        if len(asked) == 1:
            raise ModelError(
                "one request alone does not fit the device's memory: lower generation.budget, "
                "choose a smaller dtype or model, or free the device"
            ) from problem
    # Out of the except block: its traceback would keep the failed batch's tensors alive.
    note()
    counted.undo(before)
    torch.cuda.empty_cache()
    middle = len(asked) // 2
    return [
        *halving(asked[:middle], work, counted, note),
        *halving(asked[middle:], work, counted, note),
    ]


def _check_tokens(tokens: Sequence[int], vocabulary: int, place: str) -> None:
    if not tokens:
        raise ModelError(f"{place} has no tokens: a prompt needs at least one")
    if min(tokens) < 0 or max(tokens) >= vocabulary:
        wrong = next(t for t in tokens if not 0 <= t < vocabulary)
        raise ModelError(
            f"{place} holds token {wrong}, but the model's vocabulary is 0 to {vocabulary - 1}: "
            "the tokens come from another model's tokenizer"
        )


def _check_length(length: int, context: int | None, place: str) -> None:
    if context is not None and length > context:
        raise ModelError(
            f"{place} may reach {length} tokens, but the model's context is {context}: lower "
            "generation.budget in the study file"
        )


def _check_branch(request: ProbeRequest, branch: Branch, vocabulary: int, place: str) -> None:
    _check_tokens(branch.suffix, vocabulary, f"suffix of {place}")
    if not 0 <= branch.position <= len(request.trace):
        raise ModelError(f"{place}: the trace has {len(request.trace)} tokens")
    if not request.prompt and not branch.position:
        raise ModelError(f"{place}: nothing stands before the suffix")
