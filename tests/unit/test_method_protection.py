"""Protection: what is put aside comes back exactly, and what a translation lost is named."""

from __future__ import annotations

import time

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
        *("5 cm", "3.5", "1,000", "23_c", "3x + 5 = 11", "ABC", "the point P", "f(x)", "n", "X1"),
        *("Z2", "XX3", "7", "٣", "²", "2:30", "km/h", "=", "\\", "{", "}", "a5", "Mr. Smith. "),
        *("$5$ cm", "12 miles", "45 degrees", "°", "°C", "in^2", "-inch", r"\begin{a}", r"\end{a}"),
    ]
)
TEXTS = st.lists(st.one_of(MATHS, st.text(max_size=6), st.just(" ")), max_size=12).map("".join)


@given(TEXTS, st.booleans())
def test_what_is_protected_comes_back_exactly(text: str, unit_words: bool) -> None:
    hidden, spans = protect(text, unit_words=unit_words)
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
        ("Write 23_c in base d for c>4", ["23_c", "d", "c>4"]),
        ("In the kite PQRS, the points T, U and V are red", ["PQRS", "T", "U", "V"]),
        ("He paid $18 and €20 (5%), 1,000 times", ["$18", "€20", "5%", "1,000"]),
        (r"Let \(x\) be \frac{1}{2} of \[y = 2\]", [r"\(x\)", r"\frac{1}{2}", r"\[y = 2\]"]),
        ("f(x) = x^2 for n, e.g. 5th", ["f(x) = x^2", "n", "5"]),
        ("[asy] draw((0,0)--(1,1)); [/asy] A cat", ["[asy] draw((0,0)--(1,1)); [/asy]"]),
        ("Take $x$ s.t. $x > 2$, or 5 s.t. its half is odd", ["$x$", "$x > 2$", "5"]),
        ("A cat, and I. L'heure d'été, o perché", []),
        (
            r"so \[x = \begin{cases} 1 & a \\[2pt] 2 & b \end{cases}\] and \(y \\(z\)",
            [r"\[x = \begin{cases} 1 & a \\[2pt] 2 & b \end{cases}\]", r"\(y \\(z\)"],
        ),
        (r"an opening \( and \(x\), \[ and \[y\]", [r"\(x\)", r"\[y\]"]),
    ],
)
def test_what_is_put_aside(text: str, kept: list[str]) -> None:
    assert [was for _, was in protect(text)[1]] == kept


# Each sentence with what stays where symbols do, and where words do too.
MEASURED = [
    (
        "A barge drifts $35$ meters at $v$ meters per minute, then rests 3 days and 50 seconds.",
        ["$35$", "$v$", "3", "50"],
        ["$35$ meters", "$v$ meters per minute", "3 days", "50 seconds"],
    ),
    (
        "Two cars at 60 mph and $40$ km/h drive 12 miles; find the speed in m/s.",
        ["60 mph", "$40$ km/h", "12", "m/s"],
        ["60 mph", "$40$ km/h", "12 miles", "m/s"],
    ),
    (
        "A 12-inch by 5-cm card of 30 square inches, 4.5 cm^2, 7 in² or 2 mm³",
        ["12", "5-cm", "30", "4.5 cm^2", "7 in²", "2 mm³"],
        ["12-inch", "5-cm", "30 square inches", "4.5 cm^2", "7 in²", "2 mm³"],
    ),
    (
        "An angle of $45$ degrees, $30^\\circ$ or 15°, at 20 °C or 68 degrees Fahrenheit",
        ["$45$", "$30^\\circ$", "15°", "20 °C", "68"],
        ["$45$ degrees", "$30^\\circ$", "15°", "20 °C", "68 degrees Fahrenheit"],
    ),
    (
        "20% of 5 kg cost $3 or 50¢; 9.8 m/s² for 10 s in '3 min', 5 in the box",
        ["20%", "5 kg", "$3", "50¢", "9.8 m/s²", "10 s", "3 min", "5"],
        ["20%", "5 kg", "$3", "50¢", "9.8 m/s²", "10 s", "3 min", "5"],
    ),
    (
        "Miles has 2 second cousins, 3 daylilies and 4 l'ora",
        ["2", "3", "4"],
        ["2 second", "3", "4"],
    ),
]


@pytest.mark.parametrize(("text", "symbols", "words"), MEASURED)
def test_units_stay_with_their_numbers(text: str, symbols: list[str], words: list[str]) -> None:
    assert [was for _, was in protect(text)[1]] == symbols
    assert [was for _, was in protect(text, unit_words=True)[1]] == words


@pytest.mark.parametrize(
    "piece", [r"a \( b ", r"\(\( ", r"a \[ b ", "[asy] b ", r"\begin{x} b ", r"\a{b ", "7 of $x$ "]
)
def test_a_long_text_is_read_in_a_time_that_grows_with_its_length(piece: str) -> None:
    # 200 kB take a fifth of a second; were openings looked up to the end, more than half a minute.
    clock = time.process_time()
    protect(piece * (200_000 // len(piece)))
    assert time.process_time() - clock < 5


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
