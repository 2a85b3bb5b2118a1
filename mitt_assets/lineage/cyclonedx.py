"""CycloneDX 1.6: the bill of materials of an adapter, from the statements behind it.

What it is made of (the base model, the training set), with the sha256 of every file; how it was
tuned; with what. The standard has no place for hyperparameters: they are properties of the card.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping

from mitt_assets.graph import Graph
from mitt_assets.lineage.canonical import JSON
from mitt_assets.lineage.statement import BUILDER, SHA256, Dependency, Record, label
from mitt_assets.lineage.store import Store
from resources.storage import pointer_path

ADAPTER = "adapter"
BASE_MODEL = "base_model"
MANIFEST = "manifest.json"
LOSS = "loss.json"
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, f"{BUILDER}/cyclonedx")


def bills(graph: Graph, store: Store, records: list[Record]) -> dict[str, bytes]:
    """Per adapter among the records a file's name and its bytes; empty if there is none."""
    return {
        file_name(record): _text(bill(graph, store, record))
        for record in records
        if record.asset.rpartition("/")[2] == ADAPTER
    }


def file_name(record: Record) -> str:
    """The name of an adapter's bill: `mitt-adapter-llama.cdx.json`."""
    return f"{pointer_path(record.asset, record.partition).replace('/', '-')}.cdx.json"


def bill(graph: Graph, store: Store, adapter: Record) -> dict[str, JSON]:
    """The bill of one adapter; the same statement always gives the same bill."""
    inputs = [_input(graph, store, one) for one in adapter.dependencies]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, adapter.statement)}",
        "version": 1,
        "metadata": {
            "timestamp": adapter.ended,
            "tools": {"components": list(_tools(adapter))},
            "component": _adapter(graph, store, adapter, inputs),
        },
        "components": inputs,
        "dependencies": [
            {"ref": _ref(adapter), "dependsOn": sorted(one["bom-ref"] for one in inputs)},
            *({"ref": one["bom-ref"]} for one in inputs),
        ],
    }


def _adapter(
    graph: Graph, store: Store, record: Record, inputs: list[dict[str, JSON]]
) -> dict[str, JSON]:
    models = [one for one in inputs if one["type"] == "machine-learning-model"]
    data = [one for one in inputs if one["type"] == "data"]
    card: dict[str, JSON] = {
        "modelParameters": {
            "approach": {"type": "supervised"},
            "task": "causal language modelling",
            "architectureFamily": "LoRA adapter of a transformer",
            "datasets": [{"ref": one["bom-ref"]} for one in data],
            "inputs": [{"format": "text"}],
            "outputs": [{"format": "text"}],
        },
        "properties": _properties({**record.study_slice, **record.parameters, **record.seeds}),
    }
    losses = _losses(store, record)
    if losses:
        card["quantitativeAnalysis"] = {"performanceMetrics": losses}
    return {
        **_component(record, "machine-learning-model", graph.step(record.asset).text),
        "modelCard": card,
        "components": _files(record, record.files),
        "pedigree": {
            "ancestors": [{key: one[key] for key in ("type", "name", "version")} for one in models]
        },
        "externalReferences": [_statement(record)],
    }


def _input(graph: Graph, store: Store, dependency: Dependency) -> dict[str, JSON]:
    """A component for what the adapter was made of: a model, or else data."""
    record = store.statement_record(dependency.statement)
    step = graph.steps.get(record.asset)
    text = step.text if step else record.asset
    if record.asset != BASE_MODEL:
        described = {"type": "dataset", "name": label(record.asset, record.partition)}
        return {
            **_component(record, "data", text),
            "data": [{**described, "description": text}],
            "components": _files(record, record.files),
            "externalReferences": [_statement(record)],
        }
    manifest = json.loads(store.read(record, MANIFEST))
    about = {key: value for key, value in manifest.items() if key != "files"}
    return {
        **_component(record, "machine-learning-model", text),
        "name": str(manifest["source"]),
        "version": str(manifest["revision"] or record.content),
        "components": _files(record, manifest["files"]),
        "properties": _properties(about),
        "externalReferences": [_statement(record)],
    }


def _component(record: Record, kind: str, text: str) -> dict[str, JSON]:
    return {
        "type": kind,
        "bom-ref": _ref(record),
        "name": label(record.asset, record.partition),
        "version": record.content,
        "description": text,
    }


def _ref(record: Record) -> str:
    return f"{label(record.asset, record.partition)}@{record.content}"


def _files(record: Record, files: Mapping[str, str]) -> list[JSON]:
    """A component per file; what has no sha256 (an unverified file) says so."""
    return [
        {
            "type": "file",
            "bom-ref": f"{_ref(record)}#{name}",
            "name": name,
            **(
                {"hashes": [{"alg": "SHA-256", "content": digest}]}
                if SHA256.fullmatch(digest)
                else {"properties": [{"name": "mitt:digest", "value": digest}]}
            ),
        }
        for name, digest in sorted(files.items())
    ]


def _statement(record: Record) -> dict[str, JSON]:
    """Where it says how this was made: an in-toto statement in the study's store."""
    return {
        "type": "attestation",
        "url": f"hash://sha256/{record.statement}",
        "comment": "in-toto statement in the store of the study",
        "hashes": [{"alg": "SHA-256", "content": record.statement}],
    }


def _tools(record: Record) -> Iterator[dict[str, JSON]]:
    yield {"type": "application", "name": "mitt-assets", "version": record.code["version"]}
    for name, version in sorted(record.environment.get("libraries", {}).items()):
        purl = f"pkg:pypi/{name}@{version.replace('+', '%2B')}"
        yield {"type": "library", "name": name, "version": version, "purl": purl}


def _properties(values: Mapping[str, JSON]) -> list[JSON]:
    return [
        {
            "name": f"mitt:{name}",
            "value": value
            if isinstance(value, str)
            else json.dumps(value, ensure_ascii=False, sort_keys=True),
        }
        for name, value in sorted(values.items())
    ]


def _losses(store: Store, record: Record) -> list[JSON]:
    if LOSS not in record.files:
        return []
    losses = json.loads(store.read(record, LOSS))["losses"]
    return [
        {"type": f"training loss, {which} step", "value": str(loss)}
        for which, loss in (("first", losses[0]), ("last", losses[-1]))
    ]


def _text(bill: dict[str, JSON]) -> bytes:
    return json.dumps(bill, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"
