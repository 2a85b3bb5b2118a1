"""Statements: how one partition was made, as in-toto Statement v1 with a SLSA-shaped predicate.

A statement never changes after it is written, so it holds no verdict and nothing that may differ
later. It names its inputs by content *and* by statement digest: the first decides staleness, the
second makes the statements a Merkle graph that can be walked back to the first row.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mitt_assets.errors import IntegrityError, StorageError
from mitt_assets.lineage import canonical
from mitt_assets.lineage.canonical import JSON

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://mitt-assets.dev/provenance/v1"
BUILD_TYPE = "https://mitt-assets.dev/materialisation/v1"
BUILDER = "https://mitt-assets.dev/builder/v1"
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Dependency:
    """One input as it was when it was read: which partition, which bytes, which statement."""

    asset: str
    partition: str | None
    content: str
    statement: str


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Everything a step knows about how its files were made.

    `code` holds "version" (digest of the step's code) and what `environment.code_state` adds;
    `materials` maps model and adapter files to their sha256, or to a word such as "unverified".
    `started` and `ended` are UTC times in ISO 8601.
    """

    asset: str
    partition: str | None
    dependencies: tuple[Dependency, ...]
    study_slice: Mapping[str, JSON]
    code: Mapping[str, str]
    environment: Mapping[str, JSON]
    run_id: str
    started: str
    ended: str
    parameters: Mapping[str, JSON] = field(default_factory=dict)
    seeds: Mapping[str, JSON] = field(default_factory=dict)
    materials: Mapping[str, str] = field(default_factory=dict)
    overrides: Sequence[JSON] = ()


@dataclass(frozen=True, kw_only=True)
class Record(Provenance):
    """A committed partition: its provenance, its files by sha256, its content and its statement."""

    files: Mapping[str, str]
    content: str
    statement: str

    def dependency(self) -> Dependency:
        """This partition as an input of another one."""
        return Dependency(self.asset, self.partition, self.content, self.statement)

    def rests_on(self, other: "Record") -> bool:
        """Whether this was made from these very bytes, if it names the partition at all."""
        place = (other.asset, other.partition)
        named = [one for one in self.dependencies if (one.asset, one.partition) == place]
        return all(one.content == other.content for one in named)


def label(asset: str, partition: str | None) -> str:
    """The name of a partition in messages: `base/probes[tl|llama]`, or the asset alone."""
    return asset if partition is None else f"{asset}[{partition}]"


def content_digest(files: Mapping[str, str]) -> str:
    """The digest of a set of files, from their names and sha256; no time, path or run in it."""
    return canonical.digest(dict(files))


def build(provenance: Provenance, files: Mapping[str, str]) -> dict[str, JSON]:
    """The statement about these files; `canonical.encode` of it are the bytes that are kept."""
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": name, "digest": {"sha256": sha256}} for name, sha256 in sorted(files.items())
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": _build_definition(provenance),
            "runDetails": {
                "builder": {"id": BUILDER},
                "metadata": {
                    "invocationId": provenance.run_id,
                    "startedOn": provenance.started,
                    "finishedOn": provenance.ended,
                },
            },
        },
    }


def parse(data: bytes) -> Record:
    """The record a statement's bytes hold.

    Raises StorageError for a statement of another version and IntegrityError for bytes that are no
    statement at all.
    """
    sha256 = hashlib.sha256(data).hexdigest()
    body = _json_object(data, sha256)
    if body.get("_type") != STATEMENT_TYPE or body.get("predicateType") != PREDICATE_TYPE:
        raise StorageError(
            f"Statement {sha256} is a {body.get('_type')} about {body.get('predicateType')}; this "
            f"program reads {STATEMENT_TYPE} about {PREDICATE_TYPE}. Use the release that wrote "
            "it, or materialise the partition again."
        )
    try:
        return _record(body, sha256)
    except (KeyError, TypeError) as error:
        raise IntegrityError(
            f"Statement {sha256} lacks a field or has one of the wrong kind: {error!r}. "
            "`mitt run` makes its partition again."
        ) from error


def _build_definition(provenance: Provenance) -> dict[str, JSON]:
    inputs = [_input(dependency) for dependency in provenance.dependencies]
    materials = [_material(name, text) for name, text in sorted(provenance.materials.items())]
    return {
        "buildType": BUILD_TYPE,
        "externalParameters": {
            "asset": provenance.asset,
            "partition": provenance.partition,
            "study": dict(provenance.study_slice),
        },
        "internalParameters": {
            "code": dict(provenance.code),
            "parameters": dict(provenance.parameters),
            "seeds": dict(provenance.seeds),
            "environment": dict(provenance.environment),
            "overrides": list(provenance.overrides),
        },
        "resolvedDependencies": inputs + materials,
    }


def _input(dependency: Dependency) -> dict[str, JSON]:
    return {
        "name": dependency.asset,
        "digest": {"sha256": dependency.content},
        "annotations": {
            "kind": "partition",
            "partition": dependency.partition,
            "statement": dependency.statement,
        },
    }


def _material(name: str, sha256: str) -> dict[str, JSON]:
    if SHA256.fullmatch(sha256):
        return {"name": name, "digest": {"sha256": sha256}, "annotations": {"kind": "material"}}
    return {"name": name, "annotations": {"kind": "material", "digest": sha256}}


def _json_object(data: bytes, sha256: str) -> dict[str, Any]:
    try:
        body = json.loads(data)
    except ValueError as error:
        raise IntegrityError(f"Object {sha256} is not a statement: {error}.") from error
    if not isinstance(body, dict):
        raise IntegrityError(f"Object {sha256} is not a statement but {type(body).__name__}.")
    return body


def _record(body: dict[str, Any], sha256: str) -> Record:
    definition = body["predicate"]["buildDefinition"]
    external, internal = definition["externalParameters"], definition["internalParameters"]
    metadata = body["predicate"]["runDetails"]["metadata"]
    resolved = definition["resolvedDependencies"]
    files = {subject["name"]: subject["digest"]["sha256"] for subject in body["subject"]}
    return Record(
        asset=external["asset"],
        partition=external["partition"],
        dependencies=tuple(
            _dependency(item) for item in resolved if item["annotations"]["kind"] == "partition"
        ),
        study_slice=external["study"],
        code=internal["code"],
        environment=internal["environment"],
        run_id=metadata["invocationId"],
        started=metadata["startedOn"],
        ended=metadata["finishedOn"],
        parameters=internal["parameters"],
        seeds=internal["seeds"],
        materials={
            item["name"]: item["digest"]["sha256"] if "digest" in item else _unverified(item)
            for item in resolved
            if item["annotations"]["kind"] == "material"
        },
        overrides=tuple(internal["overrides"]),
        files=files,
        content=content_digest(files),
        statement=sha256,
    )


def _unverified(item: dict[str, Any]) -> str:
    return str(item["annotations"]["digest"])


def _dependency(item: dict[str, Any]) -> Dependency:
    notes = item["annotations"]
    return Dependency(
        item["name"], notes["partition"], item["digest"]["sha256"], notes["statement"]
    )
