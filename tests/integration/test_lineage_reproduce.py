"""Made again from the record, whatever is current now; the home is the same afterwards."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import yaml

from mitt_assets.home import open_maker
from mitt_assets.lineage.reproduce import row_differences
from mitt_assets.lineage.store import TABLE, write_table
from tests.commandline import Said, invoke

PARTITION = "tl|llama"


@pytest.fixture
def own(finished: tuple[Path, Path], own_home: Path) -> Path:
    """The study file of a finished home that a test may change."""
    shutil.copytree(finished[0], own_home)
    return finished[1]


def reproduce(study: Path, *arguments: str) -> Said:
    return invoke("lineage", "reproduce", *arguments, "--study", str(study))


def state(home: Path) -> dict[str, str]:
    """Every file of a home by its sha256."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(home.rglob("*"))
        if path.is_file()
    }


def recommit(
    study: Path, asset: str, change: Callable[[pl.DataFrame], pl.DataFrame], **provenance: object
) -> None:
    """Make a changed table current in a partition, as if it had been made with the same inputs."""
    store = open_maker(str(study)).store
    record = store.current(asset, PARTITION)
    assert record is not None
    data = write_table(change(store.table(record)))
    store.commit(replace(record, **provenance), {TABLE: data})


@pytest.mark.parametrize(
    ("asset", "partition"),
    [
        ("base/windows", PARTITION),
        ("base/consistency", "de|llama"),
        ("base/traces", "tl|llama"),
        ("translations", "de"),
        ("reports/scaling", None),
    ],
)
def test_equal_bytes_and_an_untouched_home(own, own_home, asset, partition):
    before = state(own_home)
    said = reproduce(own, asset, *([partition] if partition else []))
    assert said.exit_code == 0, said.output
    assert "table.parquet: equal" in said.output
    assert "differs" not in said.output
    assert state(own_home) == before


def test_inputs_are_the_recorded_ones_and_not_the_current_ones(own):
    recommit(own, "base/traces", lambda frame: frame.head(1))
    said = reproduce(own, "base/windows", PARTITION)
    assert said.exit_code == 0, said.output


def test_a_difference_is_told_by_rows_and_columns(own):
    recommit(
        own,
        "base/windows",
        lambda frame: frame.slice(1).with_columns(
            label=pl.when(pl.int_range(pl.len()) == 2).then(pl.lit("xx")).otherwise("label")
        ),
    )
    said = reproduce(own, "base/windows", PARTITION)
    assert said.exit_code == 1
    assert "different: 1 of " in said.output
    assert " rows differ; 0 rows are gone, 1 are new; in label\n" in said.output


def test_of_traces_the_share_that_is_equal_is_told(own):
    """A device or a server need not repeat its bytes; how many traces it repeats can be said."""
    first = pl.int_range(pl.len()) == 0
    recommit(
        own,
        "base/traces",
        lambda frame: frame.with_columns(text=pl.when(first).then(pl.lit("")).otherwise("text")),
    )
    said = reproduce(own, "base/traces", PARTITION)
    assert said.exit_code == 1
    assert "different: 1 of 6 rows differ; 83.3% of the traces are equal; in text" in said.output


def test_study_values_are_put_back_and_told(own, tmp_path):
    text = yaml.safe_load(own.read_text(encoding="utf-8"))
    text["windows"]["segments"] = 5
    changed = tmp_path / "changed.yaml"
    changed.write_text(yaml.safe_dump(text), encoding="utf-8")
    said = reproduce(changed, "base/windows", PARTITION)
    assert said.exit_code == 0, said.output
    assert "Put back" in said.output
    assert "windows.segments changed: 4 → 5" in said.output


def test_other_code_is_told_before_the_comparison(own):
    record = open_maker(str(own)).store.current("base/windows", PARTITION)
    recommit(own, "base/windows", lambda frame: frame, code={**record.code, "version": "0" * 64})
    said = reproduce(own, "base/windows", PARTITION)
    assert said.exit_code == 0, said.output
    assert said.output.index("the code of the step changed") < said.output.index("Made again")


def test_an_input_that_is_read_no_more_is_told(own):
    store = open_maker(str(own)).store
    record = store.current("base/windows", PARTITION)
    more = store.current("problems", None).dependency()
    recommit(own, "base/windows", lambda frame: frame, dependencies=(*record.dependencies, more))
    said = reproduce(own, "base/windows", PARTITION)
    assert "the input problems" in said.output


def test_the_files_of_both_are_kept(own, tmp_path):
    kept = tmp_path / "kept"
    said = reproduce(own, "base/windows", PARTITION, "--keep", str(kept))
    assert said.exit_code == 0, said.output
    assert (kept / "again" / TABLE).read_bytes() == (kept / "recorded" / TABLE).read_bytes()
    assert (kept / "again" / "statement.json").is_file()
    assert reproduce(own, "base/windows", PARTITION, "--keep", str(kept)).exit_code == 2


def test_a_damaged_input_cannot_be_read_again(own):
    store = open_maker(str(own)).store
    traces = store.current("base/traces", PARTITION)
    path = store.storage.local_path(traces.files[TABLE])
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    said = reproduce(own, "base/windows", PARTITION)
    assert said.exit_code == 2
    assert "base/traces[tl|llama]" in said.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("base/nothing", PARTITION), "no asset 'base/nothing'"),
        (("base/windows", "xx|llama"), "name one of them: de|llama, en|llama, tl|llama"),
        (("base/windows",), "base/windows has several partitions; name one of them: de|llama"),
        (("reports/scaling", "tl"), "no partitions"),
    ],
)
def test_what_cannot_be_asked_is_told(done, arguments, told):
    said = reproduce(done, *arguments)
    assert said.exit_code == 2
    assert told in said.output


def test_what_was_never_made_is_told(finished):
    said = reproduce(finished[1], "base/windows", PARTITION)
    assert said.exit_code == 2
    assert "mitt run" in said.output


def test_equal_values_in_another_order_are_not_a_difference_of_rows(done):
    store = open_maker(str(done)).store
    frame = store.table(store.current("base/windows", PARTITION))
    said = list(row_differences(frame, frame.reverse(), "base/windows"))
    assert said[-1] == "equal values in other bytes or another order"
