"""Numbers and formulas as languages write them: honest translations agree, wrong ones do not."""

from __future__ import annotations

import pytest

from checks.suites.texts_told import compared_numbers, formulas

HONEST = [
    ("1,000 or 1000 people", "1 000 oder 1.000 Leute", "de"),
    ("sacks of 5 and 100 kg", "5 Säcke, 100 kg", "de"),
    ("a list: 5 100 kg sacks", "5 Säcke von je 100 kg", "de"),
    ("a 3-digit number", "eine dreistellige Zahl", "de"),
    ("the 5th of 12", "der fünfte von zwölf", "de"),
    ("a 3-digit number", "un numero di tre cifre", "it"),
    ("a 2-digit number", "um número de dois algarismos", "pt"),
    ("a 3-digit number", "một số có ba chữ số", "vi"),
    ("a 3-digit number", "isang tatlong-digit na numero", "tl"),
    ("the three-digit number", "die 3-stellige Zahl", "de"),
    ("at 2:30 pm", "um 14:30 Uhr", "de"),
    ("at 2:30 PM", "alle 14:30", "it"),
    ("at 2:30 pm", "lúc 14 giờ 30", "vi"),
    ("at 2:30 p.m.", "2:30 ng hapon", "tl"),
    ("from 5 p.m. on", "ab 17 Uhr", "de"),
    ("in the ratio 14:30", "im Verhältnis 14 : 30", "de"),
    ("1.5 m", "1,5 m", "de"),
]
WRONG = [
    ("it has 3 parts", "es hat 4 Teile", "de"),
    ("3 in all", "im Dreieck", "de"),
    ("2 and 2", "zwei", "de"),
    ("at 2:30 pm", "um 15:30 Uhr", "de"),
    ("at 2:30 pm", "um 14:35 Uhr", "de"),
    ("1,000 people", "100 Leute", "de"),
    ("1 000 people", "1 001 Leute", "de"),
    ("he has 6", "non è", "it"),
    ("9 of them", "non è", "it"),
]


@pytest.mark.parametrize(("source", "text", "language"), HONEST)
def test_an_honest_translation_has_the_sources_numbers(
    source: str, text: str, language: str
) -> None:
    told, found = compared_numbers(source, text, ("en", language))
    assert sorted(told) == sorted(found)


@pytest.mark.parametrize(("source", "text", "language"), WRONG)
def test_a_wrong_number_shows(source: str, text: str, language: str) -> None:
    told, found = compared_numbers(source, text, ("en", language))
    assert sorted(told) != sorted(found)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("$x^{2}$", "$x^2$"),
        ("$x_{1}$", r"\(x_1\)"),
        (r"$\left( x \right)$", "$(x)$"),
        (r"$\dfrac{1}{2}$", r"$\frac12$"),
        ("$10{,}000$", "$10.000$"),
        (r"$5\text{ apples}$", r"$5\text{ Äpfel}$"),
        ("$$y = 1$$", r"\[y=1\]"),
    ],
)
def test_a_formula_written_otherwise_is_the_same(one: str, other: str) -> None:
    assert formulas(one) == formulas(other) != []


@pytest.mark.parametrize(("one", "other"), [("$x^2$", "$x^3$"), ("$x^{10}$", "$x^10$")])
def test_another_formula_is_not(one: str, other: str) -> None:
    assert formulas(one) != formulas(other)
