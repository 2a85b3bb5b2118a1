"""Making one partition: inputs are verified, the step runs, the result is committed.

Dagster, ``mitt run`` and tests all come through ``make``, so that no way in skips a check.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checks.gate import Gate
from mitt_assets import partitions
from mitt_assets.errors import IntegrityError, MissingInputError, RefusedError
from mitt_assets.graph import QUESTIONS, Graph, Step
from mitt_assets.lineage import canonical, environment
from mitt_assets.lineage.canonical import JSON
from mitt_assets.lineage.staleness import LEFT_OUT, Expected, Reason, explain
from mitt_assets.lineage.statement import Provenance, Record, label
from mitt_assets.lineage.store import Store, write_table
from mitt_assets.lineage.walk import LostStatementError, upstream
from mitt_assets.tables import TABLES
from mitt_assets.work import TABLE_FILE, Beat, Product, Services, Work
from resources.shards import ShardStore

if TYPE_CHECKING:
    import polars as pl

FRAMEWORK = ("mitt_assets.tables",)
"""Modules every step's code version covers beside its own."""


ABSENT = "not materialised"
"""Why a report does without a partition that was never made."""


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
class Maker:
    """Makes partitions of one study in one home."""

    graph: Graph
    store: Store
    scratch: Path

    @cached_property
    def _study_digest(self) -> str:
        """Of the whole study, every default written out."""
        return canonical.digest(self.graph.study.model_dump(mode="json"))

    @cached_property
    def gate(self) -> Gate:
        """Who may read what: no input is read that it refuses."""
        return Gate(self.graph, self.store)

    def expected(self, asset: str, partition: str | None) -> Expected:
        """What a fresh record of this partition would say it was made from.

        Inputs that are read where they exist count only where they exist and passed.
        """
        step = self.graph.step(asset)
        optional = {one.name for one in step.inputs if not one.required}
        said = self.left_out(asset, partition)
        pairs = tuple(
            pair
            for name, taken in self.graph.inputs(asset, partition).items()
            for pair in taken
            if name not in optional or label(*pair) not in said
        )
        # What is only missing changes no report until it is made; a new language stales nothing.
        left_out = {place: why for place, why in said.items() if why != ABSENT}
        return Expected(
            asset=asset,
            partition=partition,
            code=code_of(step),
            study_slice={
                **self.graph.slice(asset, partition),
                **({LEFT_OUT: left_out} if left_out else {}),
                **self._accepted(pairs if optional else ()),
            },
            dependencies=tuple(dict.fromkeys(pairs)),
        )

    def _accepted(self, pairs: Sequence[tuple[str, str | None]]) -> dict[str, JSON]:
        """Acceptances that a report's inputs rest on: it is made again when they change."""
        found = (self.store.current(*pair) for pair in dict.fromkeys(pairs))
        given = self._overrides(one for one in found if one)
        return {"accepted": list(given)} if given else {}

    def required(self, asset: str, partition: str | None) -> Record:
        """The current record of a partition. Raises MissingInputError if it was never made."""
        record = self.store.current(asset, partition)
        if record is None:
            command = command_for(asset, partition, self.graph)
            raise MissingInputError(
                f"{label(asset, partition)} has not been made; make it with: {command}"
            )
        return record

    def absence(self, asset: str, partition: str | None) -> str | None:
        """Why a partition is not read where it may be absent; None if it is read."""
        try:
            record = self.store.current(asset, partition)
        except IntegrityError as error:
            return f"its record is damaged: {error}"
        return ABSENT if record is None else self.gate.refusal(record)

    def left_out(self, asset: str, partition: str | None) -> dict[str, str]:
        """What a report does without, here and in the reports it reads, each with the reason."""
        step = self.graph.step(asset)
        found: dict[str, str] = {}
        for name, pairs in self.graph.inputs(asset, partition).items():
            if not next(one for one in step.inputs if one.name == name).required:
                for pair in pairs:
                    absence = self.absence(*pair)
                    if absence is not None:
                        found[label(*pair)] = absence
                    elif not self.graph.step(pair[0]).dimensions:
                        found.update(self.left_out(*pair))
        return found

    def unmeasured(self, asset: str, partition: str | None) -> str | None:
        """Why a report waits: nothing it could report is there and passed; None if something is."""
        if not self.graph.step(asset).takes_what_there_is:
            return None
        inputs = self.graph.inputs(asset, partition)
        results = [
            pair for name, taken in inputs.items() if name not in QUESTIONS for pair in taken
        ]
        if any(self.absence(*pair) is None for pair in results):
            return None
        names = ", ".join(dict.fromkeys(pair[0].rpartition("/")[2] for pair in results))
        return (
            f"{label(asset, partition)} waits: nothing was measured, as there is no partition of"
            f" {names} that passed its checks; what is missing is made with: mitt run"
        )

    def reasons(self, asset: str, partition: str | None) -> list[Reason]:
        """Why a partition must be made (again); empty if it is as it should be."""
        try:
            record = self.store.current(asset, partition)
        except IntegrityError as error:
            return [Reason("damaged", label(asset, partition), "a pointer", str(error))]
        lost = self._lost(record) if record else []
        return [*lost, *explain(record, self.expected(asset, partition), self.store.current)]

    def _lost(self, record: Record) -> list[Reason]:
        """Files of a record that are gone, and a statement it rests on; no bytes are read again."""
        place = label(record.asset, record.partition)
        found = [
            Reason("damaged", f"{name} of {place}", digest, None)
            for name, digest in sorted(record.files.items())
            if not self.store.storage.has(digest)
        ]
        try:
            upstream(self.store, [record])
        except LostStatementError as error:
            lost = error.lost
            place, unreadable = label(lost.asset, lost.partition), "what cannot be read"
            found.append(Reason("input-damaged", place, lost.statement, unreadable))
        return found

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

    def _overrides(self, records: Iterable[Record]) -> tuple[JSON, ...]:
        """Every acceptance that these records rest on, once."""
        found = [one for record in records for one in self.gate.overrides(record)]
        return tuple(dict(sorted((canonical.digest(one), one) for one in found)).values())


def _each(records: dict[str, list[Record]]) -> list[Record]:
    """The records behind all inputs, each once."""
    unique = {(r.asset, r.partition): r for taken in records.values() for r in taken}
    return list(unique.values())


def code_of(step: Step) -> str:
    """The digest of the code that makes a step's asset; comments and docstrings do not count."""
    return environment.code_version((*step.code, *FRAMEWORK))


def command_for(asset: str, partition: str | None, graph: Graph, verb: str = "run") -> str:
    """The command that makes a partition, or does something else with it."""
    own = partitions.parse(graph.step(asset).dimensions, partition)
    flags = "".join(f" --{name} {value}" for name, value in own.items())
    return f"mitt {verb} --select {asset}{flags}"


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
