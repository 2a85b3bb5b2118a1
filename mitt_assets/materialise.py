"""Making one partition: inputs are verified, the step runs, the result is committed.

Dagster, ``mitt run`` and tests all come through ``make``, so that no way in skips a check.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mitt_assets import partitions
from mitt_assets.errors import MissingInputError
from mitt_assets.graph import Graph, Step
from mitt_assets.lineage import canonical, environment
from mitt_assets.lineage.staleness import Expected, Reason, explain
from mitt_assets.lineage.statement import Provenance, Record, label
from mitt_assets.lineage.store import Store, write_table
from mitt_assets.tables import TABLES
from mitt_assets.work import TABLE_FILE, Beat, Product, Services, Work
from resources.shards import ShardStore

FRAMEWORK = ("mitt_assets.tables",)
"""Modules every step's code version covers beside its own."""


@dataclass(frozen=True)
class Made:
    """A committed partition, seconds it took, in all and in models, and what people should see."""

    record: Record
    seconds: float
    model_seconds: float
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Maker:
    """Makes partitions of one study in one home."""

    graph: Graph
    store: Store
    scratch: Path

    def expected(self, asset: str, partition: str | None) -> Expected:
        """What a fresh record of this partition would say it was made from.

        Inputs that are read where they exist count only where they exist.
        """
        step = self.graph.step(asset)
        optional = {one.name for one in step.inputs if not one.required}
        pairs = tuple(
            pair
            for name, taken in self.graph.inputs(asset, partition).items()
            for pair in taken
            if name not in optional or self.store.current(*pair) is not None
        )
        return Expected(
            asset=asset,
            partition=partition,
            code=code_of(step),
            study_slice=self.graph.slice(asset, partition),
            dependencies=tuple(dict.fromkeys(pairs)),
        )

    def reasons(self, asset: str, partition: str | None) -> list[Reason]:
        """Why a partition must be made (again); empty if it is as it should be."""
        record = self.store.current(asset, partition)
        return explain(record, self.expected(asset, partition), self.store.current)

    def make(
        self,
        asset: str,
        partition: str | None,
        services: Services,
        run_id: str,
        report: Callable[[Beat], None] = lambda beat: None,
    ) -> Made:
        """Make and commit one partition.

        Raises MissingInputError naming the partition that is not there and how to make it, and
        whatever the step raises. Nothing is committed then.
        """
        step = self.graph.step(asset)
        records = self._records(asset, partition)
        expected = self.expected(asset, partition)
        started, clock = _now(), time.perf_counter()
        shards = ShardStore(self.scratch / "shards", _work_digest(expected, records))
        with shards.lock() if step.gpu else nullcontext():
            work = self._work(step, partition, records, services, report, shards)
            product = step.make(work)
            record = self.store.commit(
                self._provenance(expected, records, product, run_id, started),
                _files(step, product),
            )
            shards.discard()
        return Made(record, time.perf_counter() - clock, work.computing, product.metadata)

    def _records(self, asset: str, partition: str | None) -> dict[str, list[Record]]:
        step = self.graph.step(asset)
        required = {one.name: one.required for one in step.inputs}
        found: dict[str, list[Record]] = {}
        for name, pairs in self.graph.inputs(asset, partition).items():
            found[name] = []
            for pair in pairs:
                record = self.store.current(*pair)
                if record is not None:
                    found[name].append(record)
                elif required[name]:
                    raise MissingInputError(
                        f"{label(asset, partition)} needs {label(*pair)}, which has not been made;"
                        f" make it with: {command_for(*pair, self.graph)}"
                    )
        return found

    def _work(
        self,
        step: Step,
        partition: str | None,
        records: dict[str, list[Record]],
        services: Services,
        report: Callable[[Beat], None],
        shards: ShardStore,
    ) -> Work:
        return Work(
            study=self.graph.study,
            asset=step.asset,
            partition=partition,
            own=partitions.parse(step.dimensions, partition),
            variant=step.variant,
            records=records,
            store=self.store,
            services=services,
            shards=shards,
            report=report,
            command_for=lambda asset, partition: command_for(asset, partition, self.graph),
        )

    def _provenance(
        self,
        expected: Expected,
        records: dict[str, list[Record]],
        product: Product,
        run_id: str,
        started: str,
    ) -> Provenance:
        unique = {(r.asset, r.partition): r for taken in records.values() for r in taken}
        return Provenance(
            asset=expected.asset,
            partition=expected.partition,
            dependencies=tuple(record.dependency() for record in unique.values()),
            study_slice=expected.study_slice,
            code={"version": expected.code, **environment.code_state()},
            environment=environment.environment(),
            run_id=run_id,
            started=started,
            ended=_now(),
            parameters=product.parameters,
            seeds=product.seeds,
            materials=product.materials,
        )


def code_of(step: Step) -> str:
    """The digest of the code that makes a step's asset; comments and docstrings do not count."""
    return environment.code_version((*step.code, *FRAMEWORK))


def command_for(asset: str, partition: str | None, graph: Graph) -> str:
    """The command that makes a partition."""
    own = partitions.parse(graph.step(asset).dimensions, partition)
    flags = "".join(f" --{name} {value}" for name, value in own.items())
    return f"mitt run --select {asset}{flags}"


def _files(step: Step, product: Product) -> dict[str, bytes | Path]:
    files = dict(product.files)
    if product.frame is not None and step.table is not None:
        table = TABLES[step.table]
        typed = product.frame.select(table.names).cast(dict(table.schema()))  # type: ignore[arg-type]
        files[TABLE_FILE] = write_table(typed)
    return files


def _work_digest(expected: Expected, records: dict[str, list[Record]]) -> str:
    return canonical.digest(
        {
            "asset": expected.asset,
            "partition": expected.partition,
            "code": expected.code,
            "study": dict(expected.study_slice),
            "inputs": sorted({one.content for taken in records.values() for one in taken}),
        }
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
