"""Texts through a translator: asked again for what was lost, and the rest left alone."""

from __future__ import annotations

from collections.abc import Sequence

from mitt_assets.method.translating import Translated, translate_texts


class Scripted:
    """Answers by text and attempt, and remembers what it was asked."""

    def __init__(self, answers: dict[str, list[list[str]]]) -> None:
        self.answers = answers
        self.asked: list[tuple[int, list[str]]] = []

    def __call__(self, texts: Sequence[str], attempt: int) -> list[list[str]]:
        self.asked.append((attempt, list(texts)))
        return [self.answers[text][attempt] for text in texts]


def test_what_was_put_aside_stands_in_the_translation_in_its_words_order() -> None:
    ask = Scripted({"Buy X1 of X2.": [["Von X2 kaufe X1."]]})
    made = translate_texts(["Buy 7 of $x$."], ask, attempts=1, by_sentence=False)
    assert made == [Translated("Von $x$ kaufe 7.")]


def test_the_first_candidate_that_keeps_everything_is_taken() -> None:
    ask = Scripted({"Buy X1.": [["Kaufe.", "Kaufe X1 X1.", "Kaufe X1.", "Nimm X1."]]})
    assert translate_texts(["Buy 7."], ask, attempts=1, by_sentence=False)[0].text == "Kaufe 7."


def test_only_what_lost_something_is_asked_for_again() -> None:
    ask = Scripted({"Buy X1.": [["Kaufe."], ["Kaufe X1."]], "Go.": [["Geh."]]})
    made = translate_texts(["Buy 7.", "Go."], ask, attempts=3, by_sentence=False)
    assert made == [Translated("Kaufe 7."), Translated("Geh.")]
    assert ask.asked == [(0, ["Buy X1.", "Go."]), (1, ["Buy X1."])]


def test_words_of_units_are_put_aside_where_it_is_asked() -> None:
    ask = Scripted({"Walk X1.": [["Geh X1."]], "Walk X1 miles.": [["Geh X1 Meilen."]]})
    texts = ["Walk 7 miles."]
    words = translate_texts(texts, ask, attempts=1, by_sentence=False, unit_words=True)
    assert words == [Translated("Geh 7 miles.")]
    symbols = translate_texts(texts, ask, attempts=1, by_sentence=False)
    assert symbols == [Translated("Geh 7 Meilen.")]


def test_what_loses_something_every_time_is_returned_with_its_complaint() -> None:
    ask = Scripted({"Buy X1.": [["Kaufe."], ["Kaufe X1 X1."]], "Go.": [[""], []]})
    buy, go = translate_texts(["Buy 7 cm.", "Go."], ask, attempts=2, by_sentence=False)
    assert buy.complaint == "doubled '7 cm' (asked 2 times)"
    assert go == Translated("", "nothing was written (asked 2 times)")


def test_sentences_are_asked_for_one_by_one_and_spaces_stay() -> None:
    ask = Scripted({"Buy X1.": [["Kaufe X1."]], "Why?": [["Wieso?"], ["Warum?"]]})
    made = translate_texts(["  Buy 7.\n\nWhy?  "], ask, attempts=1, by_sentence=True)
    assert made == [Translated("  Kaufe 7.\n\nWieso?  ")]
    assert ask.asked == [(0, ["Buy X1.", "Why?"])]


def test_a_piece_without_words_is_not_asked_for() -> None:
    ask = Scripted({"Go.": [["Geh."]]})
    made = translate_texts(["Go. $x = 5$.", "7", ""], ask, attempts=1, by_sentence=True)
    assert made == [Translated("Geh. $x = 5$."), Translated("7"), Translated("")]
