"""Sample traces: chosen by rule, cut at windows, with the forced wait marked."""

from __future__ import annotations

from typing import Any

import polars as pl

from mitt_assets.reporting.samples import ANSWER, SHOWN_WINDOWS, sample_traces
from mitt_assets.tables import PROBES, TRACES, TRANSLATIONS, WINDOWS
from tests.fakes.estimates import small_study

TOKENS = ["One", " two", " three", " Sandali", ",", " four", "</think>", " 16"]


def trace(problem: str, language: str, variant: str, sample: int = 0) -> dict[str, Any]:
    offsets, text = [], ""
    for token in TOKENS:
        offsets.append(len(text))
        text += token
    return {
        "trace_id": f"{problem}-{language}-{variant}-{sample}",
        "translation_id": f"{problem}-{language}",
        "problem_id": problem,
        "language": language,
        "model": "one",
        "variant": variant,
        "sample": sample,
        "seed": 1,
        "prompt_tokens": 3,
        "token_ids": list(range(len(TOKENS))),
        "text": text,
        "offsets": offsets,
        "think_tokens": 6,
        "think_ends": [3],
        "prefix_tokens": 0,
        "finish_reason": "stop",
    }


def window(trace_id: str, number: int, start: int, end: int, label: str) -> dict[str, Any]:
    return {
        "trace_id": trace_id,
        "window": number,
        "start": start,
        "end": end,
        "words": 2,
        "label": label,
        "raw_label": "en",
        "probability": 0.9,
        "at_prior": False,
        "segment": 0,
    }


def tables(traces: list[dict[str, Any]]) -> dict[str, pl.DataFrame]:
    windows, probes, questions = [], [], {}
    for one in traces:
        name = one["trace_id"]
        windows += [window(name, 1, 2, 6, "undetermined"), window(name, 0, 0, 2, "tl")]
        row = {"trace_id": name, "waits": 1, "budget": 6, "raw": "16", "own": True, "answer": "16"}
        probes.append(row | {"kind": "terminal", "correct": True})
        probes.append(row | {"kind": "end", "correct": False, "answer": "3", "waits": 0})
        questions[one["translation_id"]] = {
            "translation_id": one["translation_id"],
            "problem_id": one["problem_id"],
            "split": "evaluation",
            "language": one["language"],
            "question": f"Q {one['problem_id']}",
            "answer": "16",
            "method": "parallel",
        }
    return {
        "traces": pl.DataFrame(traces, schema=TRACES.schema()),
        "windows": pl.DataFrame(windows, schema=WINDOWS.schema()),
        "probes": pl.DataFrame(probes, schema=PROBES.schema()),
        "translations": pl.DataFrame(list(questions.values()), schema=TRANSLATIONS.schema()),
    }


def everywhere(problem: str) -> list[dict[str, Any]]:
    return [trace(problem, code, name) for code in ("en", "tl") for name in ("base", "mitt")]


def test_a_trace_is_cut_at_its_windows_and_the_forced_wait_is_marked() -> None:
    (one,) = sample_traces(small_study(), **tables([trace("p", "tl", "base")]))
    pieces = [(p.text, p.label, p.wait, p.first) for p in one.pieces]
    assert pieces == [
        ("One two", "tl", False, True),
        (" three ", "undetermined", False, True),
        ("Sandali", "undetermined", True, False),
        (", four", "undetermined", False, False),
        ("</think> 16", ANSWER, False, False),
    ]
    assert "".join(p.text for p in one.pieces) == "".join(TOKENS)


def test_the_terminal_reading_is_the_one_shown() -> None:
    (one,) = sample_traces(small_study(), **tables([trace("p", "tl", "base")]))
    assert (one.read_answer, one.answer, one.correct, one.question) == ("16", "16", True, "Q p")


def test_the_smallest_problem_that_all_languages_and_variants_have_is_shown() -> None:
    lone = [trace("a", "en", "base")]
    shown = sample_traces(small_study(), **tables(lone + everywhere("c") + everywhere("b")))
    assert [(s.language, s.variant) for s in shown] == [
        ("en", "base"),
        ("en", "mitt"),
        ("tl", "base"),
        ("tl", "mitt"),
    ]
    assert {s.question for s in shown} == {"Q b"}


def test_row_order_does_not_change_the_choice() -> None:
    rows = everywhere("b") + everywhere("c") + [trace("b", "en", "base", sample=1)]
    assert sample_traces(small_study(), **tables(rows)) == sample_traces(
        small_study(), **tables(rows[::-1])
    )


def test_a_long_thought_is_cut_and_what_is_left_out_is_counted() -> None:
    one = trace("p", "tl", "base")
    made = tables([one])
    many = [window(one["trace_id"], n, 0, 1, "tl") for n in range(SHOWN_WINDOWS + 3)]
    made["windows"] = pl.DataFrame(many, schema=WINDOWS.schema())
    (shown,) = sample_traces(small_study(), **made)
    assert shown.left_out == 3


def test_no_traces_no_samples() -> None:
    made = tables([trace("p", "tl", "base")])
    assert sample_traces(small_study(), **(made | {"traces": made["traces"].clear()})) == []
