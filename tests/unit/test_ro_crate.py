"""The crate is read by the rocrate library, and what it names is what the store holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rocrate.rocrate import ROCrate

from mitt_assets.home import open_maker
from tests.commandline import invoke, mitt


def exported(study: Path, out: Path, *options: str) -> ROCrate:
    said = mitt(
        "lineage", "export", "--format", "ro-crate",
        "--study", str(study), "--out", str(out), *options,
    )  # fmt: skip
    assert said.strip() == str(out)
    return ROCrate(out)


def test_the_library_loads_an_action_per_partition(done, tmp_path):
    crate = exported(done, tmp_path / "crate")
    records = open_maker(str(done)).store.records()
    actions = crate.get_by_type("CreateAction")
    assert crate.name == "Study mini"
    assert len(actions) == len(records)
    assert {one.id for one in crate.root_dataset["mentions"]} == {one.id for one in actions}
    assert crate.datePublished.isoformat(timespec="milliseconds") == max(r.ended for r in records)


def test_an_action_names_what_it_read_what_it_was_given_and_what_it_made(done, tmp_path):
    crate = exported(done, tmp_path / "crate")
    store = open_maker(str(done)).store
    record, traces = (store.current(f"base/{name}", "tl|llama") for name in ("windows", "traces"))
    (action,) = (
        one
        for one in crate.get_by_type("CreateAction")
        if one["name"] == "Made base/windows[tl|llama]"
    )
    read = [one for one in action["object"] if one.type == "File"]
    given = {one["name"]: one["value"] for one in action["object"] if one.type == "PropertyValue"}
    assert [one["sha256"] for one in read] == list(traces.files.values())
    assert [one["sha256"] for one in action["result"]] == list(record.files.values())
    assert given["study: windows.segments"] == "4"
    assert action["instrument"]["softwareVersion"] == record.code["version"]
    assert action["subjectOf"]["sha256"] == record.statement
    assert (action["startTime"], action["endTime"]) == (record.started, record.ended)


def test_copied_files_have_the_recorded_bytes_and_size(done, tmp_path):
    out = tmp_path / "crate"
    crate = exported(done, out, "--data")
    inside = [one for one in crate.get_by_type("File") if not one.id.startswith("hash:")]
    assert len(inside) > len(open_maker(str(done)).store.records())
    for one in inside:
        data = (out / one.id).read_bytes()
        assert hashlib.sha256(data).hexdigest() == one["sha256"]
        assert str(len(data)) == one["contentSize"]
    assert (out / "data/base/windows/llama/tl.parquet").is_file()


def test_every_reference_leads_to_something_described(done, tmp_path):
    out = tmp_path / "crate"
    exported(done, out, "--data", "--select", "base/windows")
    document = json.loads((out / "ro-crate-metadata.json").read_text(encoding="utf-8"))
    described = [one["@id"] for one in document["@graph"]]
    assert len(described) == len(set(described))
    assert set(_references(document["@graph"])) <= {*described, "https://w3id.org/ro/crate/1.1"}


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if set(value) == {"@id"}:
            yield value["@id"]
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _references(one)


def test_equal_bytes_are_one_file_under_several_names(done, tmp_path):
    crate = exported(done, tmp_path / "crate")
    digests = [one["sha256"] for one in crate.get_by_type("File")]
    assert len(digests) == len(set(digests))


def test_a_later_export_takes_away_what_it_does_not_hold(done, tmp_path):
    out = tmp_path / "crate"
    exported(done, out, "--data")
    crate = exported(done, out, "--data", "--select", "base/windows", "--language", "tl")
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    (action,) = crate.get_by_type("CreateAction")
    assert files == {
        ".mitt-export.json",
        "ro-crate-metadata.json",
        "data/base/windows/llama/tl.parquet",
        action["subjectOf"].id,
    }


def test_the_same_store_gives_the_same_bytes(done, tmp_path):
    for name in ("one", "two"):
        exported(done, tmp_path / name)
    one, two = (tmp_path / name / "ro-crate-metadata.json" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_a_folder_of_somebody_else_is_left_alone(done, tmp_path):
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    said = invoke(
        "lineage", "export", "--format", "ro-crate", "--study", str(done), "--out", str(tmp_path)
    )
    assert said.exit_code == 1
    assert "give another --out" in said.output
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["notes.txt"]


def test_data_is_of_the_crate_only(done):
    said = invoke("lineage", "export", "--format", "cyclonedx", "--data", "--study", str(done))
    assert said.exit_code == 2
    assert "--format ro-crate" in said.output
