"""How partitions stand: read or not, as they should be or not, and each time why.

What is stored is compared with what study, code and inputs would give now; nothing is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from checks.gate import Gate
from mitt_assets import partitions
from mitt_assets.errors import IntegrityError, MissingInputError
from mitt_assets.graph import QUESTIONS, Graph, Step
from mitt_assets.lineage import canonical, environment
from mitt_assets.lineage.canonical import JSON
from mitt_assets.lineage.staleness import LEFT_OUT, Expected, Reason, explain
from mitt_assets.lineage.statement import Record, label
from mitt_assets.lineage.store import Store
from mitt_assets.lineage.walk import LostStatementError, upstream

FRAMEWORK = ("mitt_assets.tables",)
"""Modules every step's code version covers beside its own."""
ABSENT = "not materialised"
"""Why a report does without a partition that was never made."""


@dataclass(frozen=True)
class Standing:
    """The partitions of one study in one home, as they are."""

    graph: Graph
    store: Store

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

    def _overrides(self, records: Iterable[Record]) -> tuple[JSON, ...]:
        """Every acceptance that these records rest on, once."""
        found = [one for record in records for one in self.gate.overrides(record)]
        return tuple(dict(sorted((canonical.digest(one), one) for one in found)).values())


def code_of(step: Step) -> str:
    """The digest of the code that makes a step's asset; comments and docstrings do not count."""
    return environment.code_version((*step.code, *FRAMEWORK))


def command_for(asset: str, partition: str | None, graph: Graph, verb: str = "run") -> str:
    """The command that makes a partition, or does something else with it."""
    own = partitions.parse(graph.step(asset).dimensions, partition)
    flags = "".join(f" --{name} {value}" for name, value in own.items())
    return f"mitt {verb} --select {asset}{flags}"
