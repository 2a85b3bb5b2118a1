"""OpenLineage: one finished run per statement and one per verdict, as lines of JSON for catalogues.

Plain objects are written, so that reading a catalogue's format costs no dependency. An event tells
of a run that is over: there is no START, and its time is the statement's. The standard lets an
assertion stand on an input only, so a verdict is the run of a job ``<asset>:checks`` that reads
what it judged. It holds no time; its event has that of the statement. One thing has no published
place, how exactly a partition was made: it is the run facet ``mitt_provenance``.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from checks.verdicts import CRITICAL, Outcome, Verdict
from mitt_assets import partitions
from mitt_assets.graph import Graph
from mitt_assets.lineage.canonical import JSON, encode
from mitt_assets.lineage.statement import BUILDER, Record
from mitt_assets.lineage.store import Store
from mitt_assets.tables import TABLES, Table

SPEC = "https://openlineage.io/spec"
EVENT = f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
PROVENANCE = (
    "https://mitt-assets.dev/openlineage/1-0-0/MittProvenanceRunFacet.json"
    "#/$defs/MittProvenanceRunFacet"
)
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, BUILDER)
"""Run ids that Dagster did not give are version 5 in here, so an export repeats."""


def lines(events: Iterable[Mapping[str, JSON]]) -> bytes:
    """The events as NDJSON, each canonical."""
    return b"".join(encode(event) + b"\n" for event in events)


@dataclass(frozen=True)
class Export:
    """The events about records of one study; ``verdict`` gives what the present suite said."""

    graph: Graph
    store: Store
    verdict: Callable[[Record], Verdict | None]

    def events(self, records: Iterable[Record]) -> Iterator[dict[str, JSON]]:
        """Per record the run that made it and, where it was judged, the run that judged it."""
        for record in records:
            yield self._made(record)
            verdict = self.verdict(record)
            if verdict is not None:
                yield self._judged(record, verdict)

    def _made(self, record: Record) -> dict[str, JSON]:
        inputs = [self._input(one.asset, one.partition, one.content) for one in record.dependencies]
        return self._event(
            record,
            {"runId": self._run_id(record), "facets": self._run_facets(record)},
            record.asset,
            _documentation(self.graph.step(record.asset).text),
            inputs=inputs,
            outputs=[self._output(record)],
        )

    def _judged(self, record: Record, verdict: Verdict) -> dict[str, JSON]:
        run_id = str(uuid.uuid5(NAMESPACE, f"{record.statement} {verdict.suite}"))
        parent = _facet("ParentRunFacet", "1-2-0", **self._reference(record))
        judged = self._input(record.asset, record.partition, record.content)
        judged["inputFacets"]["dataQualityAssertions"] = _facet(
            "DataQualityAssertionsDatasetFacet",
            "1-1-0",
            assertions=[_assertion(one) for one in verdict.outcomes],
        )
        return self._event(
            record,
            {"runId": run_id, "facets": {"parent": parent}},
            f"{record.asset}:checks",
            _documentation(f"Expectations on {record.asset}, judged by {verdict.library}."),
            inputs=[judged],
            outputs=[],
        )

    def _event(
        self,
        record: Record,
        run: JSON,
        job: str,
        documentation: JSON,
        *,
        inputs: list[JSON],
        outputs: list[JSON],
    ) -> dict[str, JSON]:
        kind = _facet(
            "JobTypeJobFacet",
            "2-0-4",
            processingType="BATCH",
            integration="DAGSTER",
            jobType="ASSET_CHECK" if job != record.asset else "ASSET",
        )
        facets = {"jobType": kind, "documentation": documentation}
        return {
            "eventType": "COMPLETE",
            "eventTime": record.ended,
            "producer": BUILDER,
            "schemaURL": EVENT,
            "run": run,
            "job": {"namespace": self._study, "name": job, "facets": facets},
            "inputs": inputs,
            "outputs": outputs,
        }

    def _input(self, asset: str, partition: str | None, content: str) -> dict[str, JSON]:
        """One partition that was read; several of one asset are several inputs of one name."""
        condition = self._subset(asset, partition)
        facets = {"subset": _subset("Input", inputCondition=condition)} if condition else {}
        return {
            "namespace": self._study,
            "name": asset,
            "facets": {"version": _version(content)},
            "inputFacets": facets,
        }

    def _output(self, record: Record) -> dict[str, JSON]:
        facets = {"version": _version(record.content)}
        table = self._table(record.asset)
        if table is not None:
            facets["schema"] = _schema(table)
            columns = self._columns(record, table)
            if columns:
                facets["columnLineage"] = _facet(
                    "ColumnLineageDatasetFacet", "1-2-0", fields=columns
                )
        condition = self._subset(record.asset, record.partition)
        subset = {"subset": _subset("Output", outputCondition=condition)} if condition else {}
        sizes = [self.store.storage.size(digest) for digest in record.files.values()]
        statistics = _facet(
            "OutputStatisticsOutputDatasetFacet", "1-0-2", size=sum(sizes), fileCount=len(sizes)
        )
        return {
            "namespace": self._study,
            "name": record.asset,
            "facets": facets,
            "outputFacets": {**subset, "outputStatistics": statistics},
        }

    def _subset(self, asset: str, partition: str | None) -> JSON:
        """The partition as the standard's condition; None if it is all of the asset."""
        if partition is None:
            return None
        step = self.graph.steps.get(asset)
        own = partitions.parse(step.dimensions, partition) if step else {}
        return {
            "type": "partition",
            "partitions": [{"identifier": partition, "dimensions": own}],
        }

    def _columns(self, record: Record, table: Table) -> dict[str, JSON]:
        """Per column that names a parent row, the inputs' columns it is taken from."""
        inputs = {
            one.asset: found
            for one in record.dependencies
            if (found := self._table(one.asset)) is not None
        }
        fields: dict[str, JSON] = {}
        for column in table.columns:
            origins = _origins(column.parent, inputs) if column.parent else []
            if origins:
                fields[column.name] = {"inputFields": [self._field(*one) for one in origins]}
        return fields

    def _field(self, asset: str, column: str) -> dict[str, JSON]:
        identity = {"type": "DIRECT", "subtype": "IDENTITY", "description": "key of a parent row"}
        return {
            "namespace": self._study,
            "name": asset,
            "field": column,
            "transformations": [identity],
        }

    def _run_facets(self, record: Record) -> dict[str, JSON]:
        version = str(record.environment.get("libraries", {}).get("dagster", "unknown"))
        facets = {
            "processing_engine": _facet(
                "ProcessingEngineRunFacet", "1-1-1", name="Dagster", version=version
            ),
            "executionParameters": _facet(
                "ExecutionParametersRunFacet", "1-0-0", parameters=_parameters(record)
            ),
            "mitt_provenance": {
                "_producer": BUILDER,
                "_schemaURL": PROVENANCE,
                "statement": record.statement,
                "startedOn": record.started,
                "code": dict(record.code),
                "environment": dict(record.environment),
                "materials": dict(record.materials),
                "overrides": list(record.overrides),
                "files": dict(record.files),
                "inputs": [one.statement for one in record.dependencies],
            },
        }
        if record.run_id in self._shared:
            job = {"namespace": self._study, "name": "dagster"}
            run = {"runId": record.run_id}
            facets["parent"] = _facet("ParentRunFacet", "1-2-0", run=run, job=job)
        return facets

    def _reference(self, record: Record) -> dict[str, JSON]:
        return {
            "run": {"runId": self._run_id(record)},
            "job": {"namespace": self._study, "name": record.asset},
        }

    def _run_id(self, record: Record) -> str:
        """Dagster's run, unless it is none or made several partitions: a run is of one job."""
        if _is_uuid(record.run_id) and record.run_id not in self._shared:
            return record.run_id
        return str(uuid.uuid5(NAMESPACE, record.statement))

    @cached_property
    def _shared(self) -> set[str]:
        """Dagster's runs that made more than one current partition."""
        counted = Counter(record.run_id for record in self.store.records())
        return {run for run, count in counted.items() if count > 1 and _is_uuid(run)}

    @property
    def _study(self) -> str:
        return self.graph.study.name

    def _table(self, asset: str) -> Table | None:
        step = self.graph.steps.get(asset)
        return TABLES[step.table] if step and step.table else None


def _origins(parent: str, inputs: Mapping[str, Table]) -> list[tuple[str, str]]:
    """The input columns behind a parent column such as ``traces.trace_id``.

    That is the parent itself where it was read, else inputs that carry the same reference.
    """
    name, _, column = parent.partition(".")
    direct = [
        (asset, column)
        for asset, table in inputs.items()
        if name in (table.name, asset.rpartition("/")[2])
    ]
    return direct or [
        (asset, one.name)
        for asset, table in inputs.items()
        for one in table.columns
        if one.parent == parent
    ]


def _facet(name: str, version: str, /, **fields: JSON) -> dict[str, JSON]:
    """A published facet: its name and version are those of its schema."""
    url = f"{SPEC}/facets/{version}/{name}.json#/$defs/{name}"
    return {"_producer": BUILDER, "_schemaURL": url, **fields}


def _subset(side: str, **condition: JSON) -> dict[str, JSON]:
    """The subset facet of one side; both have their schema in one file."""
    name = f"{side}Subset{side}DatasetFacet"
    url = f"{SPEC}/facets/1-0-0/BaseSubsetDatasetFacet.json#/$defs/{name}"
    return {"_producer": BUILDER, "_schemaURL": url, **condition}


def _version(content: str) -> dict[str, JSON]:
    return _facet("DatasetVersionDatasetFacet", "1-0-1", datasetVersion=content)


def _documentation(text: str) -> dict[str, JSON]:
    return _facet("DocumentationJobFacet", "1-1-0", description=text)


def _schema(table: Table) -> dict[str, JSON]:
    fields = [
        {
            "name": column.name,
            "type": column.type,
            "description": column.text,
            "ordinal_position": position,
        }
        for position, column in enumerate(table.columns, 1)
    ]
    return _facet("SchemaDatasetFacet", "1-2-0", fields=fields)


def _assertion(outcome: Outcome) -> dict[str, Any]:
    found: dict[str, Any] = {
        "assertion": outcome.says,
        "success": outcome.passed,
        "severity": "error" if outcome.severity == CRITICAL else "warn",
        "name": f"{outcome.values}: {outcome.says}",
    }
    if outcome.observed:
        found["actual"] = outcome.observed
    if outcome.count:
        found["params"] = {"failing rows": outcome.count}
    return found


def _parameters(record: Record) -> list[JSON]:
    """Study values, parameters and seeds by dotted key; a value is JSON text."""
    values = {
        "study": dict(record.study_slice),
        "parameters": dict(record.parameters),
        "seeds": dict(record.seeds),
    }
    return [
        {"key": key, "value": value if isinstance(value, str) else json.dumps(value)}
        for key, value in sorted(_leaves("", values), key=lambda leaf: leaf[0])
    ]


def _leaves(path: str, value: JSON) -> Iterator[tuple[str, JSON]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(f"{path}.{key}" if path else key, inner)
    else:
        yield path, value


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
