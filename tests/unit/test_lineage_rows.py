"""Rows by their digests, their relations, and the graph of statements however wide it is."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import polars as pl
import pytest

from mitt_assets.errors import DataError, IntegrityError, StudyError
from mitt_assets.lineage.numbers import find_number, parse_where
from mitt_assets.lineage.rows import Reader, Relation, declared, relation, row_digest, row_digests
from mitt_assets.lineage.statement import Provenance, Record
from mitt_assets.lineage.store import Store, open_store, write_table
from mitt_assets.lineage.walk import upstream
from mitt_assets.tables import ESTIMATES, TABLES

FRAME = pl.DataFrame({"trace_id": ["a", "b"], "text": ["één", "\u0000"], "n": [1, None]})


def commit(
    store: Store, asset: str, partition: str | None, frame: pl.DataFrame, *inputs: Record
) -> Record:
    provenance = Provenance(
        asset=asset,
        partition=partition,
        dependencies=tuple(one.dependency() for one in inputs),
        study_slice={},
        code={},
        environment={},
        run_id="test",
        started="",
        ended="",
    )
    return store.commit(provenance, {"table.parquet": write_table(frame)})


def test_the_digest_of_a_row_is_that_of_its_canonical_text() -> None:
    written = json.dumps(
        {"n": 1, "text": "één", "trace_id": "a"}, ensure_ascii=False, separators=(",", ":")
    )
    assert row_digest(FRAME.row(0, named=True)) == hashlib.sha256(written.encode()).hexdigest()


def test_digests_of_a_frame_are_those_of_its_rows_whatever_the_order_of_columns() -> None:
    turned = FRAME.select(reversed(FRAME.columns))
    single = [bytes.fromhex(row_digest(row)) for row in FRAME.iter_rows(named=True)]
    assert row_digests(turned) == row_digests(FRAME) == single


@pytest.mark.parametrize(
    ("child", "parent", "tie"),
    [
        ("translations", "problems", (("problem_id",), ("problem_id",))),
        ("mitt/traces", "translations", (("translation_id",), ("translation_id",))),
        ("english_prefix/traces", "base/traces", (("problem_id", "sample"),) * 2),
        ("mitt/training_traces", "translations", (("translation_id",), ("translation_id",))),
        ("mitt/training_set", "mitt/training_traces", (("trace_id",), ("trace_id",))),
        ("mitt/training_set", "problems", (("problem_id",), ("problem_id",))),
        ("base/windows", "base/traces", (("trace_id",), ("trace_id",))),
        (
            "base/consistency",
            "base/segment_embeddings",
            (("problem_id", "unit", "segment"),) * 2,
        ),
        ("base/probes", "translations", None),
        ("mitt/traces", "mitt/adapter", None),
        ("mitt/adapter", "mitt/training_set", None),
    ],
)
def test_rows_are_tied_by_what_the_tables_declare(
    child: str, parent: str, tie: tuple[tuple[str, ...], tuple[str, ...]] | None
) -> None:
    assert relation(child, parent) == (Relation(*tie) if tie else None)


def test_every_declared_parent_is_a_column_of_a_table() -> None:
    for table in TABLES.values():
        for column in table.columns:
            if column.parent:
                name, _, parent = column.parent.partition(".")
                assert parent in declared(name).names


def test_an_asset_without_rows_says_so() -> None:
    with pytest.raises(DataError, match="mitt/adapter has no table"):
        declared("mitt/adapter")


def test_only_wanted_rows_are_read_whole(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    record = commit(store, "base/traces", "en|llama", FRAME)
    found = Reader(store).rows(record, ("trace_id",), pl.DataFrame({"id": ["b", "b", "c"]}))
    assert found.equals(FRAME[1:])


def test_damage_is_found_before_a_row_is_shown(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    record = commit(store, "base/traces", "en|llama", FRAME)
    path = store.storage.local_path(record.files["table.parquet"])
    assert path is not None
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(IntegrityError, match=r"base/traces\[en\|llama\] is damaged"):
        Reader(store).columns(record, ("trace_id",))


def test_every_edge_of_a_wide_graph_is_there(tmp_path: Path) -> None:
    """130 languages: Dagster's own lineage stops at a hundred upstream partitions."""
    store = open_store(tmp_path)
    languages = [f"l{number}" for number in range(130)]
    problems = commit(store, "problems", None, FRAME)
    translations = [commit(store, "translations", one, FRAME, problems) for one in languages]
    wide = commit(store, "base/traces", "all", FRAME, *translations)
    found = upstream(open_store(tmp_path), [wide])
    assert [one.statement for one in found] == [
        problems.statement,
        *(one.statement for one in translations),
        wide.statement,
    ]
    edges = {(one.statement, to.statement) for one in found for to in one.dependencies}
    assert edges == {
        *((wide.statement, one.statement) for one in translations),
        *((one.statement, problems.statement) for one in translations),
    }


def test_parents_are_those_of_the_statement_and_not_the_current_ones(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    old = commit(store, "problems", None, FRAME)
    child = commit(store, "translations", "en", FRAME, old)
    commit(store, "problems", None, FRAME[:1])
    assert upstream(store, [child]) == [old, child]


def numbers(*rows: dict[str, object]) -> pl.DataFrame:
    blank = dict.fromkeys(ESTIMATES.names)
    named = dict.fromkeys(("measure", "model", "variant", "language", "curve", "axis"), "")
    return pl.DataFrame([{**blank, **named, **row} for row in rows], schema=ESTIMATES.schema())


REPORT = numbers(
    {"measure": "accuracy", "language": "tl", "axis": "tokens", "x": 128.0},
    {"measure": "accuracy", "language": "tl", "axis": "tokens", "x": 256.0},
    {"measure": "gain", "language": "de"},
)


@pytest.mark.parametrize(
    ("where", "row"),
    [("budget=128", 0), ("axis=tokens, x=256", 1), ("language=de", 2), ("x=none", 2)],
)
def test_a_number_is_found_by_its_columns(where: str, row: int) -> None:
    assert find_number(REPORT, parse_where(where), "reports/scaling") == row


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("language=tl", "(?s)2 numbers .* differ in\n  x: 128, 256\n.*language=tl,x=128"),
        ("", "(?s)3 numbers .* match no --where"),
        ("language=tl,x=3", "no number with language=tl,x=3; with language=tl, x is: 128, 256"),
        ("language=xx", "no number with language=xx; language is: tl, de"),
        ("x=much", "x is a number"),
        ("colour=red", "columns: measure, model"),
        ("language", "give column=value"),
    ],
)
def test_what_names_no_number_or_several_is_answered_with_what_there_is(
    where: str, says: str
) -> None:
    with pytest.raises(StudyError, match=says):
        find_number(REPORT, parse_where(where), "reports/scaling")
