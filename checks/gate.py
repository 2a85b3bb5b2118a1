"""The gate: data whose checks failed is read by nobody.

Dagster's blocking checks hold within one run. This holds in every run, because every input passes
here before it is read, whoever reads it; what has no verdict yet, because a process died before
its checks or the suite is newer, is judged first. Somebody may accept a refused partition by name;
that is written into every statement that rests on it, and the report shows it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from checks import verdicts
from checks.verdicts import Verdict
from mitt_assets.graph import Graph
from mitt_assets.lineage import canonical
from mitt_assets.lineage.canonical import JSON
from mitt_assets.lineage.statement import Record, label
from mitt_assets.lineage.store import Store
from mitt_assets.lineage.walk import LostStatementError, inputs_of, upstream

if TYPE_CHECKING:
    from mitt_assets.work import Services

TOLD = 3
"""Failed expectations named in a refusal; the verdict has them all."""


@dataclass
class Gate:
    """Answers whether a record may be read."""

    graph: Graph
    store: Store
    _suites: dict[str, str] = field(default_factory=dict)
    _verdicts: dict[tuple[str, str], Verdict] = field(default_factory=dict)

    def suite(self, record: Record) -> str:
        """The digest of the suite a record is to be judged by."""
        if record.statement not in self._suites:
            self._suites[record.statement] = verdicts.suite_of(self.graph, record)
        return self._suites[record.statement]

    def verdict(self, record: Record) -> Verdict | None:
        """What the present suite said of a record; None if it was not asked."""
        about = (record.content, self.suite(record))
        if about not in self._verdicts:
            found = verdicts.find(self.store, *about)
            if found is None:
                return None
            # A verdict on these bytes under this suite can only ever be the same again.
            self._verdicts[about] = found
        return self._verdicts[about]

    def judge(self, record: Record, services: Services) -> Verdict:
        """Judge what is stored of a record and keep the verdict.

        Raises SuiteBrokenError if the suite cannot judge, IntegrityError for altered bytes.
        """
        from checks.judge import judge
        from checks.subject import Subject

        verdict = judge(Subject(self.graph, self.store, record, services))
        verdicts.keep(self.store, verdict)
        self._verdicts[verdict.content, verdict.suite] = verdict
        return verdict

    def ensure(self, record: Record, services: Services) -> None:
        """Judge a record, and what it was made from, wherever there is no verdict yet."""
        for one in (*self._ancestors(record), record):
            if self.verdict(one) is None:
                self.judge(one, services)

    def refusal(self, record: Record) -> str | None:
        """Why a record may not be read, in one sentence; None if it may."""
        own = self._failure(record)
        if own is not None:
            return own
        try:
            ancestors = self._ancestors(record)
        except LostStatementError as error:
            return f"{label(record.asset, record.partition)} rests on what is lost: {error}"
        for ancestor in ancestors:
            failed = self._failure(ancestor)
            if failed is not None:
                return f"{label(record.asset, record.partition)} rests on {failed}"
        return None

    def overrides(self, record: Record) -> list[JSON]:
        """Every acceptance of refused data that a record, or what it was made from, rests on."""
        behind = (*self._ancestors(record), record)
        failed = [one for one in behind if (said := self.verdict(one)) and said.blocking]
        given = [self.override(one) for one in failed]
        return [*(one for one in given if one), *record.overrides]

    def override(self, record: Record) -> JSON | None:
        """The acceptance of this record in spite of its checks, if somebody gave one.

        What is not an acceptance of these very bytes under this suite, with a name and a reason,
        is none.
        """
        suite = self.suite(record)
        data = self.store.storage.read_pointer(_override(record.content, suite))
        try:
            said = None if data is None else json.loads(data)
        except ValueError:
            return None
        about = {
            "asset": record.asset,
            "partition": record.partition,
            "content": record.content,
            "suite": suite,
        }
        if not isinstance(said, dict) or not about.items() <= said.items():
            return None
        return said if said.get("by") and said.get("reason") else None

    def accept(self, record: Record, reason: str, by: str, when: str) -> None:
        """Accept a record whose checks failed."""
        verdict = self.verdict(record)
        said = {
            "asset": record.asset,
            "partition": record.partition,
            "content": record.content,
            "suite": self.suite(record),
            "checks": [one.sentence() for one in verdict.blocking] if verdict else [],
            "reason": reason,
            "by": by,
            "when": when,
        }
        name = _override(record.content, self.suite(record))
        self.store.storage.write_pointer(name, canonical.encode(said))

    def withdraw(self, record: Record) -> None:
        """Take an acceptance back."""
        self.store.storage.remove_pointer(_override(record.content, self.suite(record)))

    def failure(self, record: Record) -> str | None:
        """Which blocking expectations failed on these very bytes; None if none, or accepted."""
        verdict = self.verdict(record)
        if verdict is None or not verdict.blocking or self.override(record) is not None:
            return None
        failed = verdict.blocking
        told = "; ".join(one.sentence() for one in failed[:TOLD])
        return f"{told}; and {len(failed) - TOLD} more" if len(failed) > TOLD else told

    def _failure(self, record: Record) -> str | None:
        told = self.failure(record)
        if told is None:
            return None
        return f"{label(record.asset, record.partition)}, whose checks failed: {told}"

    def _ancestors(self, record: Record) -> list[Record]:
        """Everything a record was made from that the study still has, each once, inputs first."""
        found = upstream(self.store, inputs_of(self.store, record))
        return [one for one in found if (one.asset, one.partition) in self._known]

    @cached_property
    def _known(self) -> frozenset[tuple[str, str | None]]:
        return frozenset(self.graph.all_partitions)


def _override(content: str, suite: str) -> str:
    return f"overrides/{content[:2]}/{content}-{suite}.json"
