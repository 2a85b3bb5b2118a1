"""Staleness above a hundred inputs, where Dagster's own answer ends: by content, one by one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mitt_assets.home import open_maker
from mitt_assets.lineage.staleness import Reason
from mitt_assets.lineage.statement import Provenance, Record
from mitt_assets.materialise import Maker
from mitt_assets.up_to_date import told, what_changed

CODES = ["en", *(f"l{number:03d}" for number in range(120))]
TRACES = ("mitt/training_traces", "llama")


def put(maker: Maker, asset: str, partition: str, data: bytes, run: str = "first") -> Record:
    """A record as if the partition had just been made, with bytes of the test's own."""
    expected = maker.expected(asset, partition)
    inputs = (maker.store.current(*key) for key in expected.dependencies)
    return maker.store.commit(
        Provenance(
            asset=asset,
            partition=partition,
            dependencies=tuple(one.dependency() for one in inputs if one),
            study_slice=expected.study_slice,
            code={"version": expected.code},
            environment={},
            run_id=run,
            started="2026-01-01T00:00:00+00:00",
            ended="2026-01-01T00:00:01+00:00",
        ),
        {"table.parquet": data},
    )


@pytest.fixture
def maker(study_file: Callable[..., Path]) -> Maker:
    """A study in which one partition reads 121 others, all of them made."""
    language = {"name": "Some language", "level": "low", "wait": "Wait"}
    recipe = {"source_languages": CODES, "cut": {"tokens": 8}}
    study = study_file(
        languages={code: language for code in CODES},
        variants={"base": {}, "mitt": {"recipe": recipe}},
        statistics={"comparisons": []},
    )
    maker = open_maker(str(study))
    put(maker, "base_model", "llama", b"a manifest")
    for code in CODES:
        put(maker, "translations", code, f"questions in {code}".encode())
    put(maker, *TRACES, b"traces")
    return maker


def reasons(maker: Maker) -> list[Reason]:
    return what_changed(maker, *TRACES, look_inside=True)


def test_one_changed_input_among_many_is_named_and_equal_bytes_are_no_change(maker: Maker) -> None:
    assert len(maker.required(*TRACES).dependencies) == len(CODES) + 1 > 100
    assert reasons(maker) == []
    for code in CODES:
        put(maker, "translations", code, f"questions in {code}".encode(), "second")
    assert reasons(maker) == []
    put(maker, "translations", "l057", b"other questions")
    (only,) = reasons(maker)
    assert (only.kind, only.field) == ("input", "translations[l057]")
    put(maker, "translations", "l057", b"questions in l057", "third")
    assert reasons(maker) == []


def test_when_all_of_them_changed_the_first_are_told_and_the_others_counted(maker: Maker) -> None:
    for code in CODES:
        put(maker, "translations", code, f"new questions in {code}".encode())
    found = reasons(maker)
    assert [one.field for one in found] == [f"translations[{code}]" for code in CODES]
    assert told(found).endswith("and 101 more")
