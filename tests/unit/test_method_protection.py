"""Protection: what is put aside comes back exactly, and what a translation lost is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitt_assets.method.protection import (
    complaint,
    has_words,
    protect,
    restore,
    sentences,
    within,
)

MATHS = st.sampled_from(
    [
        *("$x^2$", r"\(a+b\)", r"\[y\]", r"\frac{1}{2}", "[asy] draw(1); [/asy]", "$", "$18", "$$"),
        *("5 cm", "3.5", "1,000", "17_b", "3x + 5 = 11", "ABC", "the point P", "f(x)", "n", "X1"),
        *("Z2", "XX3", "7", "٣", "²", "2:30", "km/h", "=", "\\", "{", "}", "a5", "Mr. Smith. "),
    ]
)
TEXTS = st.lists(st.one_of(MATHS, st.text(max_size=6), st.just(" ")), max_size=12).map("".join)


@given(TEXTS)
def test_what_is_protected_comes_back_exactly(text: str) -> None:
    hidden, spans = protect(text)
    assert restore(hidden, spans) == text
    assert complaint(hidden, spans) == "" or not text.strip()
    assert [mark for mark, _ in within(hidden, spans)] == [mark for mark, _ in spans]


@given(TEXTS)
def test_sentences_joined_are_the_text(text: str) -> None:
    hidden, spans = protect(text)
    parts = sentences(hidden)
    assert "".join(parts) == hidden
    assert [span for part in parts for span in within(part, spans)] == list(spans)


@given(TEXTS, st.data())
def test_a_placeholder_lost_or_doubled_is_named(text: str, data: st.DataObject) -> None:
    hidden, spans = protect(text)
    if not spans:
        return
    mark, kept = data.draw(st.sampled_from(spans))
    shown = repr(kept if len(kept) <= 40 else f"{kept[:40]}…")
    at = hidden.index(mark)
    cut = f"{hidden[:at]} {hidden[at + len(mark) :]}"
    assert f"lost {shown}" in complaint(cut, spans)
    assert f"doubled {shown}" in complaint(f"{hidden} {mark}", spans)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Let $ABC$ have sides 3 cm and 4.5 km/h.", ["$ABC$", "3 cm", "4.5 km/h"]),
        ("Find x such that 3x + 5 = 11.", ["x", "3x + 5 = 11"]),
        ("bases b>9 where 17_b divides 97_b", ["b>9", "17_b", "97_b"]),
        ("On triangle ABC, points A, D and E lie", ["ABC", "A", "D", "E"]),
        ("He paid $18 and €20 (5%), 1,000 times", ["$18", "€20", "5%", "1,000"]),
        (r"Let \(x\) be \frac{1}{2} of \[y = 2\]", [r"\(x\)", r"\frac{1}{2}", r"\[y = 2\]"]),
        ("f(x) = x^2 for n, e.g. 5th", ["f(x) = x^2", "n", "5"]),
        ("[asy] draw((0,0)--(1,1)); [/asy] A cat", ["[asy] draw((0,0)--(1,1)); [/asy]"]),
        ("A cat, and I. L'heure d'été, o perché", []),
    ],
)
def test_what_is_put_aside(text: str, kept: list[str]) -> None:
    assert [was for _, was in protect(text)[1]] == kept


def test_a_text_with_such_names_gets_other_placeholders() -> None:
    hidden, spans = protect("X1 and Z5 meet 7 times")
    assert restore(hidden, spans) == "X1 and Z5 meet 7 times"
    assert not {mark for mark, _ in spans} & {"X1", "Z5"}


def test_a_placeholder_that_was_made_up_is_named() -> None:
    hidden, spans = protect("It has 7 parts.")
    assert complaint(f"{hidden} X9", spans) == "made up 'X9'"


def test_sentences_end_where_they_do() -> None:
    text = "Mr. Smith has X1. Is it X2? Yes!\nThen 'go.' Stop"
    assert sentences(text) == [
        "Mr. Smith has X1. ",
        "Is it X2? ",
        "Yes!\n",
        "Then 'go.' ",
        "Stop",
    ]


@pytest.mark.parametrize(("piece", "there"), [("X1.", False), ("X1 is", True), ("— 。", False)])
def test_there_are_words_beside_the_placeholders(piece: str, there: bool) -> None:
    assert has_words(piece, (("X1", "7"),)) is there
