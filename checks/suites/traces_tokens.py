"""What polars and the tokenizer measure of one trace's tokens, against how forcing makes one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from checks.suites.traces_context import Asked, Ids
from mitt_assets.method.forcing import ANSWER_LENGTH, BUDGET

CLOSED = "</think>"
NOTHING = "nothing"
OTHER = "another token"

LOOP = 64
"""Tokens at the end that repeat with one period before a trace counts as a loop (our choice)."""
PERIOD = 16
"""Longest period looked for: a sentence or so."""

Row = Mapping[str, Any]


def token_values(asked: Asked, row: Row, *, decode: bool) -> dict[str, Any]:
    """One trace: its tokens, their text (if ``decode``), and the limits that bound them."""
    tokens = row["token_ids"]
    return {
        "trace_id": row["trace_id"],
        "tokens": len(tokens),
        "lowest id": min(tokens, default=0),
        "highest id": max(tokens, default=0),
        "last of vocabulary": asked.vocabulary - 1,
        **(_decoded(asked, row) if decode else _not_decoded(row)),
        **_given(asked, row),
        **_specials(asked, row),
        **_limits(asked, row),
        **_waits(asked, row),
        "repeating": repeating(tokens),
        "copies": asked.copies[row["trace_id"]],
    }


def repeating(tokens: Sequence[int]) -> int:
    """How many tokens at the end repeat with one period of at most ``PERIOD``, up to ``LOOP``."""
    tail = tokens[-LOOP - PERIOD :]
    return max(_run(tail, period) for period in range(1, PERIOD + 1))


def _run(tail: Sequence[int], period: int) -> int:
    pairs = zip(reversed(tail), reversed(tail[:-period]), strict=False)
    return min(LOOP, _alike(pairs))


def _alike(pairs: Iterator[tuple[Any, Any]]) -> int:
    """How many pairs from the first on are equal."""
    count = 0
    for one, other in pairs:
        if one != other:
            break
        count += 1
    return count


def _decoded(asked: Asked, row: Row) -> dict[str, Any]:
    """Text and offsets, and how far each is what the tokens decode to."""
    known = [token for token in row["token_ids"] if 0 <= token < asked.vocabulary]
    text, offsets = asked.tokenizer.decode_with_offsets(known)
    return {
        "letters": len(row["text"]),
        "letters due": len(text),
        "letters alike": _same(row["text"], text),
        "offsets": len(row["offsets"]),
        "offsets alike": _same(row["offsets"], offsets),
    }


def _not_decoded(row: Row) -> dict[str, Any]:
    """A trace outside the sample: its own lengths, which say nothing against it."""
    letters, offsets = len(row["text"]), len(row["offsets"])
    return {
        "letters": letters,
        "letters due": letters,
        "letters alike": letters,
        "offsets": offsets,
        "offsets alike": offsets,
    }


def _same(stored: Sequence[Any], due: Sequence[Any]) -> int:
    """How many items from the first on are equal."""
    return len(due) if stored == due else _alike(zip(stored, due, strict=False))


def _given(asked: Asked, row: Row) -> dict[str, Any]:
    prefix = asked.prefix(row)
    alike = _alike(zip(prefix, row["token_ids"], strict=False))
    return {"given": len(prefix), "given alike": alike}


def _specials(asked: Asked, row: Row) -> dict[str, Any]:
    """Tokens that end or open something, and what follows the thought."""
    tokenizer, tokens, at = asked.tokenizer, row["token_ids"], row["think_tokens"]
    thought, tail = tokens[:at], tokens[at:]
    after = NOTHING if not tail else CLOSED if tail[0] == tokenizer.think_close else OTHER
    return {
        "ends of text": tokens.count(tokenizer.eos),
        "closes in thought": thought.count(tokenizer.think_close),
        "finish_reason": row["finish_reason"],
        "after thought": after,
        "tags": tokens.count(tokenizer.think_open) + tail[1:].count(tokenizer.think_close),
    }


def _limits(asked: Asked, row: Row) -> dict[str, Any]:
    """Lengths of thought and answer between what the reason to finish allows.

    An end of thinking and an eos count among the tokens generated but are not kept, so what ended
    by itself is at least one token short of its limit.
    """
    finish, tokens = row["finish_reason"], len(row["token_ids"])
    full, cut = finish == BUDGET, finish == ANSWER_LENGTH
    return {
        "think_tokens": row["think_tokens"],
        "least thought": asked.budget if full else len(asked.prefix(row)),
        "most thought": asked.budget if full else asked.budget - 1,
        "answer tokens": max(0, tokens - row["think_tokens"] - 1),
        "least answer": asked.answer_tokens if cut else 0,
        "most answer": asked.answer_tokens if cut else asked.answer_tokens - 1,
    }


def _waits(asked: Asked, row: Row) -> dict[str, Any]:
    """Replaced ends: how many, how far apart, each before its wait word.

    A finished trace had its last end of thinking left alone, so either no wait was left or no room
    for one.
    """
    ends, thought = row["think_ends"], row["think_tokens"]
    word: Ids = asked.wait_words.get(row["language"], ())
    room = asked.budget - thought > len(word)
    starts = [row["prefix_tokens"], *(end + len(word) for end in ends)]
    steps = [stop - start for start, stop in zip(starts, [*ends, thought], strict=True)]
    found = [tuple(row["token_ids"][end : end + len(word)]) == word for end in ends]
    return {
        "waits": len(ends),
        "most waits": asked.waits,
        "least waits": asked.waits if room and row["finish_reason"] != BUDGET else 0,
        "waits found": sum(found),
        "least step": min(steps),
        "least room": min((asked.budget - end - len(word) for end in ends), default=1),
    }
