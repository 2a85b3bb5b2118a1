"""What people see of a partition: ten plain rows, numbers that can be plotted, a picture."""

from __future__ import annotations

import json
import math
from typing import Any

import polars as pl
import pytest

from mitt_assets.assets.chain import build_graph
from mitt_assets.reporting.render import picture
from mitt_assets.shown.numbers import finite, numbers
from mitt_assets.shown.pictures import loss_panel, panel_of
from mitt_assets.shown.rows import BYTES, ROWS, some_rows
from mitt_assets.study_file import load_study
from mitt_assets.tables import TABLES, TRACES, TRANSLATIONS

STUDY = load_study("organism")
GRAPH = build_graph(STUDY)
HOSTILE = (
    "<script>alert(1)</script>",
    "[x](javascript:alert(1)) | a |\n|---|",
    "\x1b[2J\x07\N{RIGHT-TO-LEFT OVERRIDE}gnirts\x00",
    "ằ" * 10_000,
    "\N{GRINNING FACE}" * 10_000,
)


def translations(count: int, text: str = "How many?") -> pl.DataFrame:
    rows = [
        (f"{i:020d}", f"{i:020d}", "evaluation", "tl", f"{text} {i}", str(i), "parallel", None)
        for i in range(count)
    ]
    return pl.DataFrame(rows, schema=TRANSLATIONS.schema(), orient="row")


def test_ten_rows_from_all_over_the_table() -> None:
    rows = some_rows(TRANSLATIONS, translations(1000))
    assert [row["answer"] for row in rows] == [str(100 * i) for i in range(ROWS)]
    assert list(rows[0]) == [
        "translation_id", "split", "language", "question", "answer", "method", "back_translation",
    ]  # fmt: skip
    assert rows[1]["translation_id"] == "00000000…"


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_texts_are_plain_and_small(text: str) -> None:
    rows = some_rows(TRANSLATIONS, translations(50, text))
    said = json.dumps(rows, ensure_ascii=False)
    assert not any(
        one in said for one in ("\\u001b", "\\u0000", "\N{RIGHT-TO-LEFT OVERRIDE}", "\\n")
    )
    assert len(json.dumps(rows)) <= BYTES
    assert rows


def test_lists_and_what_only_programs_read_are_left_out() -> None:
    row: dict[str, Any] = {
        "trace_id": "a" * 20, "translation_id": "b", "problem_id": "c", "language": "tl",
        "model": "llama", "variant": "base", "sample": 0, "seed": 7, "prompt_tokens": 3,
        "token_ids": [1, 2], "text": "Una\npangalawa", "offsets": [0, 1], "think_tokens": 2,
        "think_ends": [], "prefix_tokens": 0, "finish_reason": "stop",
    }  # fmt: skip
    (shown,) = some_rows(TRACES, pl.DataFrame([row], schema=TRACES.schema()))
    assert shown["text"] == "Una pangalawa"
    assert not {"token_ids", "offsets", "think_ends", "seed", "problem_id"} & shown.keys()


def test_numbers_that_are_none_are_not_told() -> None:
    assert finite({"a": 1, "b": None, "c": math.nan, "d": math.inf}) == {"a": 1.0}


def test_the_drift_share_counts_determined_windows_only() -> None:
    labels = ["tl", "en", "en", "undetermined", "undetermined", "tl"]
    frame = pl.DataFrame({"label": labels})
    step = GRAPH.step("base/windows")
    assert numbers(STUDY, step, {"language": "tl", "model": "llama"}, frame) == {"drift share": 0.5}
    assert numbers(STUDY, step, {"language": "tl"}, pl.DataFrame({"label": ["undetermined"]})) == {}


def test_a_report_is_plotted_as_its_first_number_over_models() -> None:
    keys = ("measure", "model", "variant", "language", "curve", "estimate")
    rows = [
        ("accuracy_end", "llama", "base", "all", "natural", 0.2),
        ("accuracy_end", "qwen", "base", "all", "natural", 0.4),
        ("accuracy_end", "qwen", "mitt", "all", "natural", 0.9),
        ("accuracy_end", "qwen", "base", "tl", "natural", 0.9),
        ("accuracy_end", "qwen", "base", "all", "forced", 0.9),
    ]
    frame = pl.DataFrame(rows, schema=keys, orient="row")
    found = numbers(STUDY, GRAPH.step("reports/scaling"), {}, frame)
    assert found == {"accuracy": pytest.approx(0.3)}
    assert numbers(STUDY, GRAPH.step("reports/scaling"), {}, frame.head(0)) == {}


FRAMES = {
    "traces": pl.DataFrame({"think_tokens": [5, 9, 9, 40]}),
    "probes": pl.DataFrame(
        {
            "kind": ["checkpoint", "checkpoint", "terminal"],
            "waits": [0, 0, 0],
            "budget": [32, 64, 70],
            "correct": [False, True, True],
        }
    ),
    "windows": pl.DataFrame({"label": ["tl", "en", "undetermined", "xx"]}),
    "consistency": pl.DataFrame(
        {
            "unit": ["segment", "segment", "initial"],
            "segment": [0, 1, 0],
            "within": [0.5, None, 0.1],
            "to_english": [0.7, 0.8, 0.2],
        }
    ),
}


@pytest.mark.parametrize("table", FRAMES)
def test_the_key_chart_of_a_table_is_a_small_picture(table: str) -> None:
    own = {"language": "tl", "model": "llama"}
    panel = panel_of(table, STUDY, own, FRAMES[table])
    assert panel is not None
    data = picture([panel])
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(data) < 6_000
    assert panel_of(table, STUDY, own, FRAMES[table].head(0)) is None


def test_what_the_key_charts_show() -> None:
    own = {"language": "tl", "model": "llama"}
    shown = {name: panel_of(name, STUDY, own, frame) for name, frame in FRAMES.items()}
    points = {
        name: [(p.x, p.y) for p in panel.series[0].points] for name, panel in shown.items() if panel
    }
    assert points["traces"] == [(0, 0), (5, 0.25), (9, 0.5), (9, 0.75), (40, 1)]
    assert points["probes"] == [(32, 0), (64, 1)]
    assert [y for _, y in points["windows"]] == [0.25] * 4
    assert points["consistency"] == [(0, 0.5)]
    loss = loss_panel(json.dumps({"losses": [2.0, 1.0]}).encode())
    assert [(p.x, p.y) for p in loss.series[0].points] == [(1, 2.0), (2, 1.0)]


def test_every_table_has_rows_to_show() -> None:
    for table in TABLES.values():
        assert some_rows(table, pl.DataFrame(schema=table.schema())) == []
