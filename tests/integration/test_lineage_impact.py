"""``mitt lineage impact`` against a walk that looks at every row of every table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mitt_assets.home import open_maker
from mitt_assets.lineage.impact import Impact, impact_of
from mitt_assets.lineage.recompute import READS
from mitt_assets.lineage.statement import Record
from mitt_assets.materialise import Maker
from mitt_assets.method.estimates.selection import select_rows
from tests.commandline import invoke, mitt

Row = dict[str, Any]
WHOLE = "whole"
"""Touched, and no table of rows."""


class BruteForce:
    """Every row of every current partition, asked one by one whether an input touches it."""

    def __init__(self, maker: Maker, kind: str, id_: str) -> None:
        self.store, self.graph = maker.store, maker.graph
        self.kind, self.id = kind, id_
        self.touched: dict[tuple[str, str | None], set[int] | str] = {}
        self.numbers: set[tuple[str, int]] = set()
        for asset, partition in self.graph.all_partitions:
            record = self.store.current(asset, partition)
            assert record is not None
            if asset.removeprefix("reports/") in READS:
                self.report(record)
            else:
                self.visit(record)

    def visit(self, record: Record) -> None:
        table = self.graph.step(record.asset).table
        if table is None:
            own = (
                self.kind == "model"
                and record.asset == "base_model"
                and record.partition == self.id
            )
            if own or any(self.of(one.asset, one.partition) for one in record.dependencies):
                self.touched[record.asset, record.partition] = WHOLE
            return
        rows = self.store.table(record).to_dicts()
        found = {number for number, row in enumerate(rows) if self.touches(record, table, row)}
        if found:
            self.touched[record.asset, record.partition] = found

    def of(self, asset: str, partition: str | None) -> set[int] | str | None:
        return self.touched.get((asset, partition))

    def rows_of(self, record: Record, last: str) -> Iterator[Row]:
        """The touched rows of the inputs whose name ends so."""
        for one in record.dependencies:
            touched = self.of(one.asset, one.partition)
            if one.asset.rpartition("/")[2] == last and isinstance(touched, set):
                parent = self.store.current(one.asset, one.partition)
                assert parent is not None
                rows = self.store.table(parent).to_dicts()
                yield from (rows[number] for number in touched)

    def touches(self, record: Record, table: str, row: Row) -> bool:
        starts = {
            "problem": ("problems", "problem_id"),
            "translation": ("translations", "translation_id"),
            "trace": ("traces", "trace_id"),
            "sequence": ("training_set", "sequence_id"),
            "model": ("", ""),
        }
        first, column = starts[self.kind]
        if table == first and row[column] == self.id:
            return True
        if any(self.of(one.asset, one.partition) == WHOLE for one in record.dependencies):
            return True

        def same(last: str, *columns: str) -> bool:
            return any(
                all(parent[name] == row[name] for name in columns)
                for parent in self.rows_of(record, last)
            )

        match table:
            case "translations":
                return same("problems", "problem_id")
            case "traces":
                return same("translations", "translation_id") or same(
                    "traces", "problem_id", "sample"
                )
            case "training_set":
                return (
                    same("problems", "problem_id")
                    or same("translations", "translation_id")
                    or same("training_traces", "trace_id")
                )
            case "probes" | "windows" | "segment_embeddings":
                return same("traces", "trace_id")
            case "consistency":
                return same("segment_embeddings", "problem_id", "unit", "segment")
            case _:
                return False

    def report(self, record: Record) -> None:
        """Numbers whose filter selects a touched row, looked up in the whole tables."""
        frames: dict[str, pl.DataFrame] = {}
        for one in record.dependencies:
            parent = self.store.current(one.asset, one.partition)
            assert parent is not None
            language, model = str(one.partition).split("|")
            touched = self.of(one.asset, one.partition) or set()
            frame = self.store.table(parent)
            numbers = range(frame.height)
            frame = frame.with_columns(
                pl.Series("touched", [n in touched for n in numbers], dtype=pl.Boolean),
                language=pl.lit(language),
                model=pl.lit(model),
                variant=pl.lit(one.asset.partition("/")[0]),
            )
            known = frames.get(one.asset)
            frames[one.asset] = frame if known is None else pl.concat([known, frame])
        for number, row in enumerate(self.store.table(record).to_dicts()):
            rows = [select_rows(frames[one], row["filter"]) for one in row["source"].split(",")]
            if any(one["touched"].any() for one in rows):
                self.numbers.add((record.asset, number))
        if any(asset == record.asset for asset, _ in self.numbers):
            self.touched[record.asset, None] = WHOLE


def first_id(maker: Maker, kind: str, asset: str, partition: str | None, split: str = "") -> str:
    frame = maker.store.table(maker.required(asset, partition))
    rows = frame.filter(pl.col("split") == split) if split else frame
    return str(rows[f"{kind}_id"][0])


def counted(found: Impact) -> dict[tuple[str, str | None], int | None]:
    return {
        (one.record.asset, one.record.partition): one.rows
        for one in found.touched
        if one.numbers is None
    }


def numbers_of(found: Impact) -> set[tuple[str, int]]:
    return {
        (one.record.asset, row)
        for one in found.touched
        if one.numbers is not None
        for row in one.numbers["row"]
    }


@pytest.mark.parametrize(
    ("kind", "asset", "partition", "split"),
    [
        ("problem", "problems", None, "training"),
        ("problem", "problems", None, "evaluation"),
        ("translation", "translations", "tl", "evaluation"),
        ("translation", "translations", "de", "training"),
        ("trace", "base/traces", "en|llama", ""),
        ("trace", "base/traces", "de|llama", ""),
        ("trace", "mitt/training_traces", "llama", ""),
        ("sequence", "own_prefix/training_set", "llama", ""),
        ("model", "base_model", "llama", ""),
    ],
)
def test_impact_is_what_a_walk_over_every_row_finds(
    done: Path, kind: str, asset: str, partition: str | None, split: str
) -> None:
    maker = open_maker(str(done))
    id_ = "llama" if kind == "model" else first_id(maker, kind, asset, partition, split)
    brute = BruteForce(maker, kind, id_)
    found = impact_of(maker, kind, id_)
    assert numbers_of(found) == brute.numbers
    assert counted(found) == {
        place: None if isinstance(touched, str) else len(touched)
        for place, touched in brute.touched.items()
        if place[0].removeprefix("reports/") not in READS
    }
    assert all(one.current for one in found.touched)


def test_a_training_problem_moves_the_variants_trained_on_it_and_no_other(done: Path) -> None:
    maker = open_maker(str(done))
    id_ = first_id(maker, "problem", "problems", None, "training")
    holding = {
        variant
        for variant in ("mitt", "own_prefix")
        for sets in [maker.store.table(maker.required(f"{variant}/training_set", "llama"))]
        if id_ in sets["problem_id"]
    }
    told = json.loads(mitt("lineage", "impact", "problem", id_, "--study", str(done), "--json"))
    assert set(told["adapters"]) == {f"{variant}/adapter[llama]" for variant in holding}
    listed = {
        (one["asset"], number["row"]) for one in told["partitions"] for number in one["numbers"]
    }
    every = {
        (f"reports/{name}", row)
        for name in READS
        for row, variant in enumerate(
            maker.store.table(maker.required(f"reports/{name}", None))["variant"]
        )
        if holding & set(variant.split("-minus-"))
    }
    assert holding
    assert listed == every


def test_the_beginning_of_an_id_is_enough_and_the_tree_has_counts(done: Path) -> None:
    maker = open_maker(str(done))
    id_ = first_id(maker, "sequence", "mitt/training_set", "llama")
    said = mitt("lineage", "impact", "sequence", id_[:10], "--study", str(done))
    assert f"sequence {id_}" in said
    assert "adapters trained on it: mitt/adapter[llama]" in said
    assert "mitt/traces: 3 partitions, 18 rows" in said
    assert "reports/tokens: " in said
    assert "own_prefix/" not in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("problem", "feedfeedfeed"), "No problem 'feedfeedfeed'"),
        (("model", "gpt"), "there are: llama"),
        (("window", "1"), "no kind 'window'; there are: problem, translation"),
    ],
)
def test_what_is_not_there_is_said(done: Path, arguments: tuple[str, str], says: str) -> None:
    said = invoke("lineage", "impact", *arguments, "--study", str(done))
    assert said.exit_code == 1
    assert says in said.output


def test_an_ambiguous_beginning_lists_what_it_could_be(
    done: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mitt_assets.lineage.impact._LEAST", 0)
    said = invoke("lineage", "impact", "trace", "", "--study", str(done))
    assert said.exit_code == 1
    assert "ids of a trace begin with ''" in said.output
