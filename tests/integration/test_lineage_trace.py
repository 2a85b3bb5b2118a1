"""``mitt lineage trace`` on a finished study: any number leads back to bytes one can check."""

from __future__ import annotations

import hashlib
import json
import random
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mitt_assets.home import open_maker
from mitt_assets.lineage.recompute import KEY, READS, recompute_report
from mitt_assets.lineage.row_walk import TracedRow
from mitt_assets.lineage.rows import row_digest
from mitt_assets.lineage.statement import Record
from mitt_assets.lineage.store import write_table
from mitt_assets.lineage.trace import Trace, trace_number
from mitt_assets.materialise import Maker
from mitt_assets.reporting.trace_page import trace_page
from tests.commandline import invoke, mitt

DRAWN = 20


@pytest.fixture
def own_copy(finished: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The finished study in a home that a test may change."""
    shutil.copytree(finished[0], tmp_path / "copied")
    monkeypatch.setenv("MITT_HOME", str(tmp_path / "copied"))
    return finished[1]


def where_of(row: dict[str, Any]) -> dict[str, str]:
    return {name: "none" if row[name] is None else str(row[name]) for name in KEY}


def drawn(maker: Maker, count: int) -> list[Trace]:
    """The traces of numbers drawn at random from all reports."""
    every = [
        (name, where_of(row))
        for name in READS
        for row in maker.store.table(maker.required(f"reports/{name}", None)).to_dicts()
    ]
    chosen = random.Random(7).sample(every, count)
    return [trace_number(maker, name, where, 2) for name, where in chosen]


def all_rows(rows: tuple[TracedRow, ...]) -> list[TracedRow]:
    return [one for row in rows for one in (row, *all_rows(row.parents))]


def commit_again(maker: Maker, record: Record, frame: pl.DataFrame) -> Record:
    """Commit another table as if the step had made it."""
    files: dict[str, bytes | Path] = {"table.parquet": write_table(frame)}
    return maker.store.commit(record, files)


def test_numbers_drawn_at_random_are_made_again_from_rows_and_name_their_weights(
    done: Path,
) -> None:
    maker = open_maker(str(done))
    traces = drawn(maker, DRAWN)
    assert len(traces) == DRAWN
    for one in traces:
        assert one.differences == (), one.title
        assert sum(rows.total for rows in one.rows) > 0
        files = [file for file in one.weights if file.name == "model.safetensors"]
        assert files
        for file in one.weights:
            assert file.path is not None
            assert hashlib.sha256(Path(file.path).read_bytes()).hexdigest() == file.sha256


def test_every_row_shown_has_its_digest_and_leads_to_a_problem(done: Path) -> None:
    maker = open_maker(str(done))
    for one in drawn(maker, 6):
        for row in [row for rows in (*one.rows, *one.training) for row in rows.shown]:
            walked = all_rows((row,))
            assert all(row_digest(some.values) == some.digest for some in walked)
            assert any(some.partition == "problems" for some in walked)


def test_the_rows_of_an_accuracy_are_its_answers(done: Path) -> None:
    where = "measure=accuracy_end,language=tl,variant=mitt,x=1"
    told = json.loads(
        mitt("lineage", "trace", "scaling", "--study", str(done), "--where", where, "--json",
             "--rows", "99")
    )  # fmt: skip
    (rows,) = told["rows"]
    answers = [row["values"]["correct"] for row in rows["shown"]]
    assert rows["total"] == len(answers) == told["estimate"]["rows"]
    assert sum(answers) / len(answers) == pytest.approx(told["estimate"]["estimate"], abs=1e-12)
    assert told["recomputed"] is True
    assert [one["asset"] for one in told["training"]] == ["mitt/training_set[llama]"]
    named = {(one["asset"], one["partition"]) for one in told["partitions"]}
    assert {("mitt/adapter", "llama"), ("problems", None), ("base_model", "llama")} <= named
    assert all(one["code"]["version"] for one in told["partitions"])


def test_every_input_of_every_partition_on_the_way_is_there(done: Path) -> None:
    """The report's own inputs are edges too; those of other variants are not walked."""
    for one in drawn(open_maker(str(done)), 5):
        report, *behind = one.partitions
        there = {some.record.statement for some in behind}
        assert {to.statement for some in behind for to in some.record.dependencies} <= there
        assert len(report.record.dependencies) >= 12


def test_the_tree_reads_from_the_number_to_the_seeds(done: Path) -> None:
    where = "measure=accuracy_end,language=tl,variant=mitt,x=0"
    said = mitt("lineage", "trace", "reports/scaling", "--study", str(done), "--where", where)
    for text in ("equal to the last digit", "6 rows of mitt/probes", "(3 shown; --rows N)",
                 "Trained on", "model.safetensors of base_model[llama]", "generation=1",
                 "problems problem_id="):  # fmt: skip
        assert text in said


def test_the_page_loads_nothing_and_its_links_lead_somewhere(done: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    where = "measure=within,language=all,variant=mitt,x=0"
    mitt("lineage", "trace", "consistency", "--study", str(done), "--where", where,
         "--html", str(page))  # fmt: skip
    text = page.read_text(encoding="utf-8")
    links = set(re.findall(r'href="([^"]*)"', text))
    marks = {f"#{one}" for one in re.findall(r'id="([^"]*)"', text)}
    assert links
    assert links <= marks
    assert "default-src 'none'" in text
    assert not re.search(r"<script|<img|<link|@import|url\(", text)


def test_a_model_s_words_do_nothing_to_the_page(done: Path) -> None:
    (one,) = drawn(open_maker(str(done)), 1)
    page = trace_page(replace(one, estimate={**one.estimate, "measure": "<script>x\u202e\x1b[2J"}))
    text = page.decode("utf-8")
    assert "<script" not in text
    assert "\u202e" not in text
    assert "\x1b" not in text


def test_whole_reports_are_made_again(done: Path) -> None:
    maker = open_maker(str(done))
    for name in READS:
        assert recompute_report(maker, maker.required(f"reports/{name}", None)) == []


@pytest.mark.parametrize("name", ["scaling", "drift"])
def test_a_number_that_its_rows_do_not_give_is_told_loudly(own_copy: Path, name: str) -> None:
    maker = open_maker(str(own_copy))
    record = maker.required(f"reports/{name}", None)
    frame = maker.store.table(record).with_row_index("row")
    wrong = pl.when(pl.col("row") == 3).then(pl.col("estimate") + 1e-9).otherwise("estimate")
    forged = frame.with_columns(estimate=wrong).drop("row")
    record = commit_again(maker, record, forged)
    (found,) = recompute_report(maker, record)
    assert (found.row, found.column) == (3, "estimate")
    row = forged.row(3, named=True)
    where = ",".join(f"{name}={value}" for name, value in where_of(row).items())
    said = invoke("lineage", "trace", name, "--study", str(own_copy), "--where", where)
    assert said.exit_code == 1
    assert "THE STORED NUMBER IS NOT WHAT ITS ROWS GIVE" in said.output
    assert found.stored in said.output
    assert found.computed in said.output


def test_a_row_too_many_or_too_few_is_a_difference(own_copy: Path) -> None:
    maker = open_maker(str(own_copy))
    record = maker.required("reports/tokens", None)
    frame = maker.store.table(record)
    short = recompute_report(maker, commit_again(maker, record, frame[1:]))
    assert [(one.row, one.stored) for one in short] == [(-1, "nothing")]
    more = pl.concat([frame, frame[:1].with_columns(measure=pl.lit("invented"))])
    long = recompute_report(maker, commit_again(maker, record, more))
    assert [(one.row, one.computed) for one in long] == [(frame.height, "nothing")]


def test_a_number_rests_on_what_it_was_made_from_whatever_came_since(own_copy: Path) -> None:
    maker = open_maker(str(own_copy))
    where = {"measure": "accuracy_end", "language": "tl", "variant": "mitt", "x": "0"}
    before = trace_number(maker, "scaling", where, 1)
    problems = maker.required("problems", None)
    traces = maker.required("mitt/traces", "tl|llama")
    commit_again(maker, problems, maker.store.table(problems)[1:])
    commit_again(maker, traces, maker.store.table(traces)[:0])
    after = trace_number(open_maker(str(own_copy)), "scaling", where, 1)
    assert after.differences == ()
    assert [one.record for one in after.partitions] == [one.record for one in before.partitions]
    changed = {one.name for one in after.partitions if not one.current}
    assert changed == {"problems", "mitt/traces[tl|llama]"}


def test_a_report_that_is_none_and_one_that_was_not_made(
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = invoke("lineage", "trace", "study", "--study", str(done))
    assert (said.exit_code, "those that do: scaling" in said.output) == (1, True)
    monkeypatch.setenv("MITT_HOME", str(tmp_path / "empty"))
    said = invoke("lineage", "trace", "scaling", "--study", str(done))
    assert (said.exit_code, "mitt run --select reports/scaling" in said.output) == (1, True)
