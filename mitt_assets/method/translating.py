"""Texts through a translator: protected, asked for again where something was lost, put together.

What cannot be translated whole is returned with its complaint; whether that ends the work is for
the caller to say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mitt_assets.method.protection import (
    Spans,
    complaint,
    has_words,
    protect,
    restore,
    sentences,
    within,
)

Ask = Callable[[Sequence[str], int], Sequence[Sequence[str]]]
"""Candidates for each text, the best first, at an attempt counted from 0. An empty candidate is one
that did not come to an end."""


@dataclass(frozen=True)
class Translated:
    """A text in another language; ``complaint`` says what is wrong with it, or is empty."""

    text: str
    complaint: str = ""


@dataclass
class _Piece:
    """A text or a sentence of it, the space behind it apart, and what was made of it."""

    text: str
    gap: str
    spans: Spans
    made: str = ""
    complaint: str = ""
    open: bool = field(default=True)


def translate_texts(
    texts: Sequence[str],
    ask: Ask,
    *,
    attempts: int,
    by_sentence: bool,
    unit_words: bool = False,
) -> list[Translated]:
    """Every text through ``ask``, at most ``attempts`` times for what loses a placeholder.

    ``by_sentence``: the translator was trained on sentences, and drops some of a longer text.
    ``unit_words``: English words of units behind a number stay as they are, as symbols always do.
    """
    hidden = [protect(text, unit_words=unit_words) for text in texts]
    pieces = [list(_pieces(text, spans, by_sentence)) for text, spans in hidden]
    for attempt in range(attempts):
        waiting = [one for some in pieces for one in some if one.open]
        if not waiting:
            break
        asked = ask([one.text for one in waiting], attempt)
        for piece, candidates in zip(waiting, asked, strict=True):
            _settle(piece, candidates)
    return [_joined(some, spans, attempts) for some, (_, spans) in zip(pieces, hidden, strict=True)]


def _pieces(hidden: str, spans: Spans, by_sentence: bool) -> list[_Piece]:
    pieces = []
    for part in sentences(hidden) if by_sentence else [hidden]:
        text = part.strip()
        before, _, after = part.partition(text) if text else (part, "", "")
        if before:
            pieces.append(_Piece("", before, (), open=False))
        own = within(text, spans)
        # A translation model makes up words around what has none.
        there = has_words(text, spans)
        pieces.append(_Piece(text, after, own, made="" if there else text, open=there))
    return pieces


def _settle(piece: _Piece, candidates: Sequence[str]) -> None:
    """Take the first candidate that kept everything; else remember what the first one did."""
    complaints = [complaint(one, piece.spans) for one in candidates]
    good = [one for one, said in zip(candidates, complaints, strict=True) if not said]
    piece.open = not good
    piece.made = (good or [*candidates, ""])[0].strip()
    piece.complaint = "" if good else next(iter(complaints), "nothing was written")


def _joined(pieces: Sequence[_Piece], spans: Spans, attempts: int) -> Translated:
    text = restore("".join(one.made + one.gap for one in pieces), spans)
    wrong = [one.complaint for one in pieces if one.open]
    said = f"{'; '.join(wrong)} (asked {attempts} times)" if wrong else ""
    return Translated(text, said)
