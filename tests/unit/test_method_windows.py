from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from mitt_assets import study
from mitt_assets.method.windows import (
    Identified,
    label_windows,
    segment_of,
    segment_texts,
    window_bounds,
    window_texts,
    windows_frame,
)
from mitt_assets.tables import WINDOWS

SETTINGS = study.Windows(tokens=2, segments=2, candidates=("en", "tl"), minimum_words=2)


def traces(text: str, offsets: list[int], think_tokens: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "trace_id": ["t"],
            "problem_id": ["p"],
            "text": [text],
            "offsets": [offsets],
            "think_tokens": [think_tokens],
        }
    )


def test_the_last_window_is_kept_with_its_length() -> None:
    assert window_bounds(70, 32) == [(0, 32), (32, 64), (64, 70)]
    assert window_bounds(64, 32) == [(0, 32), (32, 64)]
    assert window_bounds(0, 32) == []


def test_many_windows_share_segments_and_few_leave_some_empty() -> None:
    assert [segment_of(w, 6, 4) for w in range(6)] == [0, 0, 1, 2, 2, 3]
    assert [segment_of(w, 4, 4) for w in range(4)] == [0, 1, 2, 3]
    assert [segment_of(w, 2, 4) for w in range(2)] == [0, 2]
    assert segment_of(0, 1, 20) == 0


@given(windows=st.integers(1, 400), segments=st.integers(1, 40))
def test_segments_are_in_order_never_repeated_and_none_is_skipped(
    windows: int, segments: int
) -> None:
    found = [segment_of(window, windows, segments) for window in range(windows)]
    assert found[0] == 0 and found == sorted(found) and found[-1] < segments
    assert len(set(found)) == min(windows, segments)


@given(st.lists(st.text(max_size=3), max_size=20), st.integers(1, 5))
def test_windows_put_together_are_the_thought(pieces: list[str], size: int) -> None:
    starts = [len("".join(pieces[:n])) for n in range(len(pieces))]
    texts = window_texts("".join(pieces), starts, window_bounds(len(pieces), size))
    assert "".join(texts) == "".join(pieces)


def test_a_letter_split_by_the_tokenizer_stays_whole() -> None:
    """Two tokens make the letter in the middle; both start at it."""
    assert window_texts("xếy", [0, 1, 1, 2], [(0, 2), (2, 4)]) == ["x", "ếy"]


def test_too_few_words_leave_the_language_undetermined() -> None:
    frame = pl.DataFrame({"words": [0, 3, 4], "raw_label": ["en", "en", "tl"]})
    labels = label_windows(frame, 4)["label"].to_list()
    assert labels == ["undetermined", "undetermined", "tl"]


def test_the_answer_is_no_window_and_the_identifier_is_asked_once() -> None:
    asked: list[list[str]] = []

    def identify(texts: list[str]) -> Identified:
        asked.append(texts)
        return Identified(["en", "tl"], [0.2, 0.9], [True, False])

    frame = windows_frame(
        traces("1+1 ay dalawa</think>2", [0, 2, 3, 13, 21], 3),
        identify,
        lambda text: sum(word.isalpha() for word in text.split()),
        SETTINGS,
    )
    assert asked == [["1+1", " ay dalawa"]]
    assert frame.schema == WINDOWS.schema()
    assert frame.rows() == [
        ("t", 0, 0, 2, 0, "undetermined", "en", 0.2, True, 0),
        ("t", 1, 2, 3, 2, "tl", "tl", 0.9, False, 1),
    ]


def test_segments_join_their_windows_and_the_first_window_is_the_initial_thought() -> None:
    frame = segment_texts(traces("abcdefg", list(range(7)), 6), SETTINGS)
    assert frame.rows() == [
        ("t", "p", "initial", 0, "ab"),
        ("t", "p", "segment", 0, "abcd"),
        ("t", "p", "segment", 1, "ef"),
    ]


def test_an_empty_thought_has_no_windows() -> None:
    nothing = traces("</think>1", [0, 8], 0)
    assert segment_texts(nothing, SETTINGS).is_empty()
    frame = windows_frame(nothing, lambda _: Identified([], [], []), len, SETTINGS)
    assert frame.is_empty() and frame.schema == WINDOWS.schema()
