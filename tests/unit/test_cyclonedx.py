"""A bill of materials passes CycloneDX's own strict validator and is read by its library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from mitt_assets.home import open_maker
from tests.commandline import invoke, mitt


@pytest.fixture
def bills(done: Path, tmp_path: Path) -> dict[str, str]:
    """Every bill of the finished study, as text, by file name."""
    out = tmp_path / "bills"
    mitt("lineage", "export", "--format", "cyclonedx", "--study", str(done), "--out", str(out))
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(out.glob("*.cdx.json"))}


def hashes(component: Component) -> dict[str, str]:
    """The sha256 of each file of a component, as the library read it."""
    return {one.name: next(iter(one.hashes)).content for one in component.components}


def test_there_is_a_valid_bill_per_adapter(bills):
    assert list(bills) == ["mitt-adapter-llama.cdx.json", "own_prefix-adapter-llama.cdx.json"]
    for text in bills.values():
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_the_library_reads_the_adapter_and_what_it_is_made_of(done, bills):
    store = open_maker(str(done)).store
    adapter, data, base = (
        store.current(asset, "llama")
        for asset in ("mitt/adapter", "mitt/training_set", "base_model")
    )
    bom = Bom.from_json(json.loads(bills["mitt-adapter-llama.cdx.json"]))
    assert bom.validate()
    found = bom.metadata.component
    assert (found.type, found.name) == (ComponentType.MACHINE_LEARNING_MODEL, "mitt/adapter[llama]")
    assert hashes(found) == adapter.files
    parts = {one.type: one for one in bom.components}
    assert hashes(parts[ComponentType.DATA]) == data.files
    model = parts[ComponentType.MACHINE_LEARNING_MODEL]
    assert model.name == "organism:llama"
    assert hashes(model) == base.materials
    assert [one.name for one in found.pedigree.ancestors] == ["organism:llama"]
    assert bom.metadata.timestamp.isoformat(timespec="milliseconds") == adapter.ended


def test_the_adapter_depends_on_its_model_and_its_training_set(bills):
    bom = Bom.from_json(json.loads(bills["mitt-adapter-llama.cdx.json"]))
    needed = {
        one.ref.value: {inner.ref.value for inner in one.dependencies} for one in bom.dependencies
    }
    adapter = bom.metadata.component.bom_ref.value
    assert needed[adapter] == {one.bom_ref.value for one in bom.components}


def test_the_card_holds_hyperparameters_data_and_losses(bills):
    # The library has no model of the card yet: it validates it and leaves it out when reading.
    bill: dict[str, Any] = json.loads(bills["mitt-adapter-llama.cdx.json"])
    card = bill["metadata"]["component"]["modelCard"]
    given = {one["name"]: one["value"] for one in card["properties"]}
    data = next(one for one in bill["components"] if one["type"] == "data")
    assert given["mitt:variants.mitt.recipe.adapter.rank"] == "8"
    assert card["modelParameters"]["datasets"] == [{"ref": data["bom-ref"]}]
    assert len(card["quantitativeAnalysis"]["performanceMetrics"]) == 2


def test_serial_numbers_differ_by_adapter_and_repeat(done, bills, tmp_path):
    serials = {name: json.loads(text)["serialNumber"] for name, text in bills.items()}
    assert len(set(serials.values())) == len(serials)
    again = tmp_path / "again"
    mitt("lineage", "export", "--format", "cyclonedx", "--study", str(done), "--out", str(again))
    assert {path.name: path.read_text() for path in again.glob("*.cdx.json")} == bills


def test_a_selection_without_an_adapter_is_told(done):
    said = invoke(
        "lineage", "export", "--format", "cyclonedx", "--study", str(done), "--select", "problems"
    )
    assert said.exit_code == 1
    assert "no adapter" in said.output
