"""Bulk language identification: langid's own labels and probabilities, bit for bit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mitt_assets.errors import StudyError
from mitt_assets.study.identified import LANGID
from resources.language_id import BulkLangid, count_words

CANDIDATES = ("en", "it", "de", "pt", "vi", "tl")
REAL = (
    "",
    "12 + 7 = 19",
    "\\frac{3}{4} x^2",
    "On Monday Anna buys 7, so now it is 12 + 7 = 19.",
    "Nel lunedì Anna compra 7 mele, quindi adesso sono 19.",
    "Anna kauft am Montag 7 Äpfel, also sind es jetzt 19.",
    "Na segunda-feira Anna compra 7 maçãs; agora são 19.",
    "Vào thứ Hai, Anna mua 7 quả táo, nên bây giờ có 19.",
    "Bumili si Anna noong Lunes ng 7 na mansanas.",
    "\x00 \ufffd 日本語 ελληνικά",
)


@pytest.fixture(scope="module")
def bulk() -> BulkLangid:
    return BulkLangid()


@pytest.fixture(scope="module")
def original() -> Any:
    from langid.langid import LanguageIdentifier, model

    return LanguageIdentifier.from_modelstring(model, norm_probs=True)


def assert_same(bulk: BulkLangid, original: Any, texts: list[str], codes: tuple[str, ...]) -> None:
    original.set_languages(codes)
    expected = [original.classify(text) for text in texts]
    said = bulk.identify(texts, codes)
    assert list(zip(said.labels, said.probabilities, strict=True)) == expected
    assert said.at_prior == [not original.instance2fv(text).any() for text in texts]


@given(texts=st.lists(st.text(max_size=60) | st.sampled_from(REAL), max_size=12))
@settings(max_examples=40)
def test_any_texts_get_langids_answer(bulk: BulkLangid, original: Any, texts: list[str]) -> None:
    assert_same(bulk, original, texts, CANDIDATES)


@pytest.mark.parametrize("codes", [("vi", "en"), ("zh", "el", "de"), CANDIDATES[::-1]])
def test_any_candidates_get_langids_answer(
    bulk: BulkLangid, original: Any, codes: tuple[str, ...]
) -> None:
    assert_same(bulk, original, list(REAL), codes)


def test_all_of_langids_languages_and_more_texts_than_walk_together(
    bulk: BulkLangid, original: Any
) -> None:
    original.set_languages(None)
    assert_same(bulk, original, list(REAL), tuple(original.nb_classes))
    many = [f"{REAL[i % len(REAL)]} {REAL[i // 10 % len(REAL)]}" for i in range(2_100)]
    assert_same(bulk, original, many, CANDIDATES)


def test_a_text_without_features_is_english_at_the_prior(bulk: BulkLangid) -> None:
    said = bulk.identify(["", "12 + 7 = 19", "mele e pere"], CANDIDATES)
    assert said.labels[:2] == ["en", "en"]
    assert said.at_prior == [True, True, False]
    assert said.scores[0] == said.scores[1] == pytest.approx(9.0618, abs=1e-4)


def test_the_languages_a_study_may_name_are_langids_own(original: Any) -> None:
    original.set_languages(None)
    assert list(LANGID) == original.nb_classes


def test_an_unknown_candidate_is_named(bulk: BulkLangid) -> None:
    with pytest.raises(StudyError, match="langid has no language 'xx'"):
        bulk.identify(["a"], ("en", "xx"))


def test_nothing_in_nothing_out(bulk: BulkLangid) -> None:
    said = bulk.identify([], CANDIDATES)
    assert (said.labels, said.probabilities, said.at_prior) == ([], [], [])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("12 + 7 = 19.", 0),
        ("x = y + z", 0),
        ("\\boxed{7} \\frac{1}{2}", 0),
        ("\\text{apples}", 1),
        ("x2 ab_1 3rd a1b", 0),
        ("don't re-check", 3),
        ("Vào thứ Hai, Anna mua 7 quả táo", 7),
        ("Va\u0300o thu\u031b\u0301", 2),
        ("Äpfel, maçãs; perché?", 3),
    ],
)
def test_what_counts_as_a_word(bulk: BulkLangid, text: str, words: int) -> None:
    assert count_words(text) == bulk.count_words(text) == words
