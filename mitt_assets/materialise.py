"""Making one partition: inputs are verified, the step runs, the result is committed.

Dagster, ``mitt run`` and tests all come through ``make``, so that no way in skips a check.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mitt_assets import partitions
from mitt_assets.errors import IntegrityError, MissingInputError, RefusedError
from mitt_assets.graph import Step
from mitt_assets.lineage import canonical, environment
from mitt_assets.lineage.staleness import Expected
from mitt_assets.lineage.statement import Provenance, Record, label
from mitt_assets.lineage.store import write_table
from mitt_assets.standing import Standing, command_for
from mitt_assets.tables import TABLES
from mitt_assets.work import TABLE_FILE, Beat, Product, Services, Work
from resources.shards import ShardStore

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Made:
    """A committed partition, seconds it took, in all and in models, and what people should see.

    ``tokens`` are those computed now, without those of shards that were there already.
    """

    record: Record
    seconds: float
    model_seconds: float
    metadata: Mapping[str, Any] = field(default_factory=dict)
    frame: pl.DataFrame | None = None
    tokens: int = 0


@dataclass(frozen=True)
class Maker(Standing):
    """Makes partitions of one study in one home, and knows how they stand."""

    scratch: Path

    @cached_property
    def _study_digest(self) -> str:
        """Of the whole study, every default written out."""
        return canonical.digest(self.graph.study.model_dump(mode="json"))

    def make(
        self,
        asset: str,
        partition: str | None,
        services: Services,
        run_id: str,
        report: Callable[[Beat], None] = lambda beat: None,
    ) -> Made:
        """Make and commit one partition.

        Raises StudyError for what is no partition of the study, MissingInputError naming the input
        that is not there and how to make it, or where a report has nothing to report, and whatever
        the step raises. Nothing is committed then.
        """
        self.graph.require(asset, partition)
        step = self.graph.step(asset)
        records = self._records(asset, partition, services)
        if waits := self.unmeasured(asset, partition):
            raise MissingInputError(waits)
        expected = self.expected(asset, partition)
        started, clock = _now(), time.perf_counter()
        tokens = 0

        def heard(beat: Beat) -> None:
            nonlocal tokens
            tokens = max(tokens, beat.tokens)
            report(beat)

        shards = ShardStore(self.scratch / "shards", _work_digest(expected, records))
        with shards.lock() if step.gpu else nullcontext():
            work = self._work(step, partition, records, services, heard, shards)
            product = step.make(work)
            record = self.store.commit(
                self._provenance(expected, records, product, run_id, started),
                _files(step, product),
            )
            shards.discard()
        seconds = time.perf_counter() - clock
        return Made(record, seconds, work.computing, product.metadata, product.frame, tokens)

    def _records(
        self, asset: str, partition: str | None, services: Services
    ) -> dict[str, list[Record]]:
        step = self.graph.step(asset)
        required = {one.name: one.required for one in step.inputs}
        found: dict[str, list[Record]] = {}
        for name, pairs in self.graph.inputs(asset, partition).items():
            found[name] = []
            for pair in pairs:
                record = self._input(label(asset, partition), pair, required[name], services)
                found[name] += [record] if record else []
        return found

    def _input(
        self, reader: str, pair: tuple[str, str | None], required: bool, services: Services
    ) -> Record | None:
        """One input's record, past the gate; None if it is absent and may be.

        Raises MissingInputError, RefusedError or IntegrityError, with the commands that help, if it
        may not be, and SuiteBrokenError if what was never judged cannot be.
        """
        if not required and self.absence(*pair) is not None:
            return None
        try:
            record = self.store.current(*pair)
            if record is not None:
                self.gate.ensure(record, services)
        except IntegrityError as error:
            raise IntegrityError(
                f"{reader} cannot read its input: {error} It is made again with:"
                f" {command_for(*pair, self.graph)} --force"
            ) from error
        if record is not None:
            refusal = self.gate.refusal(record)
            if refusal is None:
                return record
        if not required:
            return None
        if record is None:
            raise MissingInputError(
                f"{reader} needs {label(*pair)}, which has not been made;"
                f" make it with: {command_for(*pair, self.graph)}"
            )
        raise RefusedError(f"{reader} is refused its input {refusal}. {self._remedy(pair)}")

    def _remedy(self, pair: tuple[str, str | None]) -> str:
        """What helps when an input is refused: judging what is stale again does not."""
        if stale := self.reasons(*pair):
            command = command_for(*pair, self.graph)
            return f"It is stale ({stale[0].sentence()}): make it again with: {command}"
        return f"Judge it again with: {command_for(*pair, self.graph, 'check')}"

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
            left_out=self.left_out(step.asset, partition),
            overrides=self._overrides(_each(records)),
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
            scratch=self.scratch,
        )

    def _provenance(
        self,
        expected: Expected,
        records: dict[str, list[Record]],
        product: Product,
        run_id: str,
        started: str,
    ) -> Provenance:
        unique = _each(records)
        return Provenance(
            asset=expected.asset,
            partition=expected.partition,
            dependencies=tuple(record.dependency() for record in unique),
            study_slice=expected.study_slice,
            code={"version": expected.code, **environment.code_state()},
            environment={**environment.environment(), "study": self._study_digest},
            run_id=run_id,
            started=started,
            ended=_now(),
            parameters=product.parameters,
            seeds=product.seeds,
            materials=product.materials,
            overrides=self._overrides(_each(records)),
        )


def _each(records: dict[str, list[Record]]) -> list[Record]:
    """The records behind all inputs, each once."""
    unique = {(r.asset, r.partition): r for taken in records.values() for r in taken}
    return list(unique.values())


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
