"""Every event is read by OpenLineage's own classes, which are generated from its published schemas.

The library's own reading is lenient; here a key that a class lacks, a value of another type and a
schema address that is not the class's are errors.
"""

from __future__ import annotations

import json
import pkgutil
from dataclasses import replace
from enum import Enum
from importlib import import_module
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import attr
import pytest
from jsonschema import Draft202012Validator
from openlineage.client import generated
from openlineage.client.event_v2 import RunEvent
from openlineage.client.serde import Serde

from mitt_assets.home import open_maker
from mitt_assets.lineage.openlineage import PROVENANCE, Export
from tests.commandline import invoke, mitt

FIXTURES = Path(__file__).parents[1] / "fixtures" / "openlineage"
OWN = json.loads((FIXTURES / "MittProvenanceRunFacet.json").read_text(encoding="utf-8"))


def _published() -> dict[str, type]:
    modules = [
        import_module(f"{generated.__name__}.{found.name}")
        for found in pkgutil.iter_modules(generated.__path__)
    ]
    kinds = [kind for one in modules for kind in vars(one).values() if isinstance(kind, type)]
    return {kind._get_schema(): kind for kind in kinds if hasattr(kind, "_get_schema")}


PUBLISHED = _published()


def read(kind: Any, value: Any) -> Any:
    """The library's object for a value; AssertionError or the library's error if it is none."""
    if kind is Any:
        return value
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _any_of(inner, value)
    if origin is list:
        return [read(inner[0], one) for one in value]
    if origin is dict:
        return {key: read(inner[1], one) for key, one in value.items()}
    if attr.has(kind):
        return _object(kind, value)
    if issubclass(kind, Enum):
        return kind(value)
    assert type(value) is kind, f"{value!r} is no {kind}"
    return value


def _any_of(kinds: tuple[Any, ...], value: Any) -> Any:
    problems = []
    for kind in kinds:
        if kind is NoneType:
            continue
        try:
            return read(kind, value)
        except (AssertionError, TypeError, ValueError) as error:
            problems.append(error)
    raise problems[0]


def _object(kind: Any, value: Any) -> Any:
    assert isinstance(value, dict), value
    if "_schemaURL" in value:
        if value["_schemaURL"] == PROVENANCE:
            Draft202012Validator({**OWN, "$ref": "#/$defs/MittProvenanceRunFacet"}).validate(value)
            return value
        assert issubclass(PUBLISHED[value["_schemaURL"]], kind), (value["_schemaURL"], kind)
        kind = PUBLISHED[value["_schemaURL"]]
    fields = {one.name: one for one in attr.fields(kind)}
    assert value.keys() <= fields.keys(), f"{kind} has no {value.keys() - fields.keys()}"
    types = get_type_hints(kind)
    given = {
        fields[name].alias: read(types[name], one)
        for name, one in value.items()
        if fields[name].init
    }
    return kind(**given)


def pruned(value: Any) -> Any:
    """Without empty lists and objects, which the library fills in."""
    if isinstance(value, dict):
        kept = {key: pruned(one) for key, one in value.items()}
        return {key: one for key, one in kept.items() if one not in ({}, [])}
    return [pruned(one) for one in value] if isinstance(value, list) else value


def exported(study: Path, tmp_path: Path, *options: str) -> list[dict[str, Any]]:
    out = tmp_path / "events.ndjson"
    said = mitt(
        "lineage", "export", "--format", "openlineage",
        "--study", str(study), "--out", str(out), *options,
    )  # fmt: skip
    assert said.strip() == str(out)
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def made(events: list[dict[str, Any]], asset: str, partition: str) -> dict[str, Any]:
    """The event of the run that made a partition."""
    return next(
        one
        for one in events
        if one["job"]["name"] == asset
        and one["outputs"][0]["outputFacets"]["subset"]["outputCondition"]["partitions"]
        == [{"identifier": partition, "dimensions": _dimensions(partition)}]
    )


def _dimensions(partition: str) -> dict[str, str]:
    return dict(zip(("language", "model"), partition.split("|"), strict=True))


def test_every_event_is_read_by_the_library_and_given_back_as_it_was(done, tmp_path):
    events = exported(done, tmp_path)
    for event in events:
        assert pruned(Serde.to_dict(read(RunEvent, event))) == pruned(event)


def test_a_key_the_standard_lacks_is_noticed_by_this_reader(done, tmp_path):
    event = exported(done, tmp_path, "--select", "base/windows")[0]
    event["outputs"][0]["facets"]["version"]["digest"] = "0"
    with pytest.raises(AssertionError, match="digest"):
        read(RunEvent, event)


def test_one_run_per_statement_and_one_per_verdict(done, tmp_path):
    maker = open_maker(str(done))
    records = maker.store.records()
    judged = [one for one in records if maker.gate.verdict(one) is not None]
    events = exported(done, tmp_path)
    runs = [event["run"]["runId"] for event in events]
    assert len(events) == len(records) + len(judged) == len(set(runs))
    assert {one.run_id for one in records} <= set(runs)


def test_versions_are_content_digests_and_inputs_are_those_of_the_statement(done, tmp_path):
    record = open_maker(str(done)).store.current("base/consistency", "tl|llama")
    event = made(exported(done, tmp_path), "base/consistency", "tl|llama")
    version = event["outputs"][0]["facets"]["version"]["datasetVersion"]
    read_ = [
        (
            one["name"],
            one["inputFacets"]["subset"]["inputCondition"]["partitions"][0]["identifier"],
            one["facets"]["version"]["datasetVersion"],
        )
        for one in event["inputs"]
    ]
    assert version == record.content
    assert read_ == [(one.asset, one.partition, one.content) for one in record.dependencies]


@pytest.mark.parametrize(
    ("asset", "column", "origin"),
    [
        ("base/windows", "trace_id", ("base/traces", "trace_id")),
        ("base/traces", "translation_id", ("translations", "translation_id")),
        # problems are not read by traces: the reference comes by way of the translations.
        ("base/traces", "problem_id", ("translations", "problem_id")),
        ("base/consistency", "problem_id", ("base/segment_embeddings", "problem_id")),
    ],
)
def test_columns_lead_to_the_columns_they_were_taken_from(done, tmp_path, asset, column, origin):
    event = made(exported(done, tmp_path, "--select", "base"), asset, "tl|llama")
    facets = event["outputs"][0]["facets"]
    found = facets["columnLineage"]["fields"][column]["inputFields"]
    assert [(one["name"], one["field"]) for one in found] == [origin]
    assert column in [one["name"] for one in facets["schema"]["fields"]]


def test_parameters_are_those_of_the_statement(done, tmp_path):
    event = made(exported(done, tmp_path, "--select", "base"), "base/traces", "tl|llama")
    given = event["run"]["facets"]["executionParameters"]["parameters"]
    values = {one["key"]: one["value"] for one in given}
    assert values["study.generation.budget"] == "256"
    assert values["study.languages.tl.wait"] == "Sandali"
    assert values["seeds.generation"] == "1"


def test_assertions_are_the_outcomes_of_the_verdict(done, tmp_path):
    maker = open_maker(str(done))
    record = maker.store.current("base/probes", "tl|llama")
    events = exported(done, tmp_path, "--select", "base/probes", "--language", "tl")
    _, checks = events
    (judged,) = checks["inputs"]
    told = judged["inputFacets"]["dataQualityAssertions"]["assertions"]
    outcomes = maker.gate.verdict(record).outcomes
    assert [one["success"] for one in told] == [one.passed for one in outcomes]
    assert {one["severity"] for one in told} == {"error", "warn"}
    assert checks["run"]["facets"]["parent"]["run"]["runId"] == record.run_id


def test_a_dagster_run_that_made_several_partitions_is_their_parent(done, monkeypatch):
    maker = open_maker(str(done))
    one, other = maker.store.records()[:2]
    together = [one, replace(other, run_id=one.run_id)]
    monkeypatch.setattr(maker.store, "records", lambda: together)
    events = list(Export(maker.graph, maker.store, lambda record: None).events(together))
    runs = [event["run"] for event in events]
    assert len({run["runId"] for run in runs} | {one.run_id}) == 3
    assert {run["facets"]["parent"]["run"]["runId"] for run in runs} == {one.run_id}


def test_the_same_store_gives_the_same_bytes(done, tmp_path):
    assert exported(done, tmp_path) == exported(done, tmp_path)
    first = (tmp_path / "events.ndjson").read_bytes()
    exported(done, tmp_path)
    assert (tmp_path / "events.ndjson").read_bytes() == first


def test_a_file_of_somebody_else_is_left_alone(done, tmp_path):
    foreign = tmp_path / "notes.txt"
    foreign.write_text("mine\n", encoding="utf-8")
    said = invoke(
        "lineage", "export", "--format", "openlineage", "--study", str(done), "--out", str(foreign)
    )
    assert said.exit_code == 1
    assert "not an export of ours" in said.output
    assert foreign.read_text(encoding="utf-8") == "mine\n"
