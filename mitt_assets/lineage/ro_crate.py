"""RO-Crate 1.1 in the shape of a Process Run Crate: for archives, and for people in ten years.

One ``CreateAction`` per partition: what it read, the values it was given, the code that was its
instrument, the files it made, its statement. A file that is not copied into the crate is named by
what it holds, ``hash://sha256/<digest>``, so equal bytes are one file under several names.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from urllib.parse import quote

from mitt_assets.graph import Graph
from mitt_assets.lineage import canonical
from mitt_assets.lineage.canonical import JSON
from mitt_assets.lineage.links import tree_path
from mitt_assets.lineage.statement import Record, label
from mitt_assets.lineage.store import Store

METADATA = "ro-crate-metadata.json"
CONTEXT = "https://w3id.org/ro/crate/1.1/context"
CONFORMS = "https://w3id.org/ro/crate/1.1"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
TERMS = {"sha256": "https://schema.org/sha256"}
"""What the context of 1.1 lacks: schema.org has had it since."""
LICENCE = "No licence is stated; the terms of the problem sets and of the models apply."
FORMATS = {
    ".parquet": "application/vnd.apache.parquet",
    ".json": "application/json",
    ".html": "text/html",
    ".csv": "text/csv",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
IN_TOTO = "application/vnd.in-toto+json"
SHOWN = 16
"""Digits of a digest that name a thing inside one crate."""


@dataclass(frozen=True)
class Crate:
    """The metadata, and the files to copy in: path in the crate to the object's digest."""

    metadata: bytes
    data: Mapping[str, str]


def crate(graph: Graph, store: Store, records: Iterable[Record], *, data: bool) -> Crate:
    """The crate about these records; with ``data`` their files and statements are part of it."""
    building = _Building(graph, store, list(records), data)
    return Crate(building.metadata(), dict(building.copied))


@dataclass
class _Building:
    graph: Graph
    store: Store
    records: list[Record]
    data: bool
    copied: dict[str, str] = field(default_factory=dict)
    _entities: dict[str, dict[str, JSON]] = field(default_factory=dict)

    def metadata(self) -> bytes:
        """The crate's JSON-LD: descriptor, root, then everything else by identifier."""
        for record in self.records:
            for name, digest in record.files.items():
                self._place(f"data/{tree_path(record, name)}", digest)
            self._place(f"statements/{record.statement}.json", record.statement)
        actions = [self._action(record) for record in self.records]
        described = sorted(self._entities.values(), key=lambda one: str(one["@id"]))
        graph = [_descriptor(), self._root(actions), _profile(), *described]
        document = {"@context": [CONTEXT, TERMS], "@graph": graph}
        return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True).encode() + b"\n"

    def _place(self, path: str, digest: str) -> None:
        if self.data:
            self.copied[path] = digest

    def _root(self, actions: list[JSON]) -> dict[str, JSON]:
        files = sorted(str(one["@id"]) for one in self._entities.values() if one["@type"] == "File")
        name = self.graph.study.name
        return {
            "@id": "./",
            "@type": "Dataset",
            "name": f"Study {name}",
            "description": f"What was made in the study {name}, and how, partition by partition.",
            "datePublished": max(record.ended for record in self.records),
            "license": LICENCE,
            "conformsTo": {"@id": PROFILE},
            "hasPart": [{"@id": one} for one in files],
            "mentions": actions,
        }

    def _action(self, record: Record) -> JSON:
        """How one partition was made; returns the reference to it."""
        read = [
            self._file(self.store.statement_record(one.statement), name)
            for one in record.dependencies
            for name in sorted(self.store.statement_record(one.statement).files)
        ]
        place = label(record.asset, record.partition)
        return self._add(
            {
                "@id": f"#made-{record.statement[:SHOWN]}",
                "@type": "CreateAction",
                "name": f"Made {place}",
                "actionStatus": "http://schema.org/CompletedActionStatus",
                "startTime": record.started,
                "endTime": record.ended,
                "identifier": record.run_id,
                "instrument": self._instrument(record),
                "object": [*_each(read), *self._values(record)],
                "result": _each(self._file(record, name) for name in sorted(record.files)),
                "subjectOf": self._statement(record),
            }
        )

    def _file(self, record: Record, name: str) -> JSON:
        return self._described(
            f"data/{tree_path(record, name)}",
            record.files[name],
            f"{name} of {label(record.asset, record.partition)}",
            FORMATS.get(PurePosixPath(name).suffix, "application/octet-stream"),
        )

    def _statement(self, record: Record) -> JSON:
        return self._described(
            f"statements/{record.statement}.json",
            record.statement,
            f"How {label(record.asset, record.partition)} was made",
            IN_TOTO,
        )

    def _described(self, path: str, digest: str, name: str, encoding: str) -> JSON:
        """A file entity: at its path if it is copied into the crate, else by what it holds."""
        inside = self.copied.get(path) == digest
        key = quote(path) if inside else f"hash://sha256/{digest}"
        known = self._entities.get(key)
        if known is not None:
            if name not in (known["name"], *known.get("alternateName", ())):
                known["alternateName"] = sorted([*known.get("alternateName", ()), name])
            return {"@id": key}
        return self._add(
            {
                "@id": key,
                "@type": "File",
                "name": name,
                "encodingFormat": encoding,
                "contentSize": str(self.store.storage.size(digest)),
                "sha256": digest,
            }
        )

    def _instrument(self, record: Record) -> JSON:
        """The step's code, by its version."""
        version = record.code["version"]
        return self._add(
            {
                "@id": f"#code-{quote(record.asset, safe='')}-{version[:SHOWN]}",
                "@type": "SoftwareApplication",
                "name": record.asset,
                "description": self.graph.step(record.asset).text,
                "softwareVersion": version,
                "identifier": record.code.get("commit", "not under version control"),
            }
        )

    def _values(self, record: Record) -> list[JSON]:
        """Study values, parameters, seeds and materials, each value described once."""
        kinds = {
            "study": record.study_slice,
            "parameter": record.parameters,
            "seed": record.seeds,
            "material": record.materials,
        }
        return [
            self._add(
                {
                    "@id": f"#value-{canonical.digest([kind, name, value])[:SHOWN]}",
                    "@type": "PropertyValue",
                    "name": f"{kind}: {name}",
                    "value": canonical.encode(value).decode(),
                }
            )
            for kind, values in kinds.items()
            for name, value in sorted(values.items())
        ]

    def _add(self, entity: dict[str, JSON]) -> JSON:
        self._entities.setdefault(str(entity["@id"]), entity)
        return {"@id": entity["@id"]}


def _each(references: Iterable[JSON]) -> list[JSON]:
    """References without repetition, in order."""
    return list({one["@id"]: one for one in references}.values())


def _descriptor() -> dict[str, JSON]:
    return {
        "@id": METADATA,
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": {"@id": CONFORMS},
    }


def _profile() -> dict[str, JSON]:
    return {
        "@id": PROFILE,
        "@type": "CreativeWork",
        "name": "Process Run Crate",
        "version": "0.5",
    }
