"""Making a partition again from what its statement says it was made of, and comparing the bytes.

Not from what is current: the inputs are found by their statements, the study's values are put back
to the recorded ones. The code and the machine are today's, which is what is asked about. Everything
is written into a scratch folder; the study's own home is only read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from checks.gate import Gate
from mitt_assets.errors import IntegrityError, MissingInputError
from mitt_assets.graph import Graph
from mitt_assets.lineage import environment
from mitt_assets.lineage.canonical import JSON
from mitt_assets.lineage.row_diff import compare_rows
from mitt_assets.lineage.rows import table_of
from mitt_assets.lineage.staleness import LEFT_OUT, Key, Reason, study_differences
from mitt_assets.lineage.statement import Record, label
from mitt_assets.lineage.store import TABLE, Store
from mitt_assets.materialise import Made, Maker
from mitt_assets.standing import code_of
from mitt_assets.study import Study
from mitt_assets.tables import TABLES, TRACES, Table
from mitt_assets.work import Services
from resources.storage import Storage

if TYPE_CHECKING:
    import polars as pl


class Overlay(Storage):
    """A scratch storage that also finds the objects of another one, which it never writes to."""

    def __init__(self, url: Path, beneath: Storage) -> None:
        super().__init__(url)
        self._beneath = beneath

    def get(self, digest: str) -> bytes:
        """The object's bytes, verified against its digest, from either place."""
        return super().get(digest) if self.has(digest) else self._beneath.get(digest)


class AsItWas(Store):
    """A scratch store in which exactly what a record was made from is current."""

    def __init__(self, scratch: Path, beneath: Store, record: Record) -> None:
        super().__init__(Overlay(scratch / "store", beneath.storage), scratch / "cache")
        self._was = _ancestors(beneath, record)

    def current(self, asset: str, partition: str | None) -> Record | None:
        """What was current in a partition, as far as the record depends on it."""
        return self._was.get((asset, partition))


@dataclass
class Trusting(Gate):
    """Lets every input pass, as the gate did then, with the acceptances that were recorded."""

    accepted: tuple[JSON, ...] = ()

    def ensure(self, record: Record, services: Services) -> None:
        """Judge nothing: the verdicts of then stand."""

    def refusal(self, record: Record) -> str | None:
        """Nothing is refused that was read."""
        return None

    def overrides(self, record: Record) -> list[JSON]:
        """The acceptances that the record being made again rests on."""
        return list(self.accepted)


@dataclass(frozen=True)
class Again(Maker):
    """Makes one recorded partition again."""

    record: Record

    @cached_property
    def gate(self) -> Gate:
        """No gate: what was read then is read now."""
        return Trusting(self.graph, self.store, accepted=tuple(self.record.overrides))

    def left_out(self, asset: str, partition: str | None) -> dict[str, str]:
        """What the recorded report did without, with the reasons of then."""
        said = super().left_out(asset, partition)
        return {**said, **self.record.study_slice.get(LEFT_OUT, {})}

    def differences(self) -> list[Reason]:
        """How what is about to be made still differs from what is recorded; empty if it is exact.

        Raises StudyError if the asset or the partition is none of today's study.
        """
        record = self.record
        expected = self.expected(record.asset, record.partition)
        code = code_of(self.graph.step(record.asset))
        was = record.code.get("version")
        recorded = {(one.asset, one.partition): one.content for one in record.dependencies}
        unread = sorted(recorded.keys() - set(expected.dependencies), key=str)
        return [
            *([Reason("code", "version", was, code)] if was != code else []),
            *study_differences(record.study_slice, expected.study_slice),
            *(Reason("input", label(*key), recorded[key], None) for key in unread),
        ]

    @property
    def table(self) -> Table | None:
        """The table this makes, if it makes one."""
        name = self.graph.step(self.record.asset).table
        return TABLES[name] if name else None

    def run(self, services: Services) -> Made:
        """Make it. Raises what making a partition raises."""
        return self.make(self.record.asset, self.record.partition, services, "reproduction")


def again(
    study: Study, build: Callable[[Study], Graph], store: Store, record: Record, scratch: Path
) -> Again:
    """Prepare to make a record again; ``build`` is what makes a graph of a study."""
    restored = restore(study, record.study_slice)
    return Again(build(restored), AsItWas(scratch, store, record), scratch, record)


def restore(study: Study, recorded: Mapping[str, JSON]) -> Study:
    """The study with the recorded values put back; as it is, if it cannot take them any more.

    A name that is no key of the study (an outside file's digest) is left alone.
    """
    raw = deepcopy(study.model_dump(mode="json"))
    for path, value in recorded.items():
        first, *rest = path.split(".")
        if rest and first in raw:
            _put(raw, [first, *rest], value)
        elif first in raw:
            raw[first] = value
    try:
        return Study.model_validate(raw)
    except ValidationError:
        return study


def environment_differences(record: Record) -> list[Reason]:
    """How today's machine and libraries differ from the recorded ones."""
    # The study's digest is no machine's: its differences are told field by field.
    was = {name: value for name, value in record.environment.items() if name != "study"}
    return study_differences(was, environment.environment())


def _put(raw: dict[str, Any], path: list[str], value: JSON) -> None:
    *parents, last = path
    for part in parents:
        if not isinstance(raw.get(part), dict):
            raw[part] = {}
        raw = raw[part]
    raw[last] = value


def _ancestors(store: Store, record: Record) -> dict[Key, Record]:
    """What a record was made from, nearest first: of two statements on a place the nearer holds."""
    found: dict[Key, Record] = {}
    seen: set[str] = set()
    nearest = [one.statement for one in record.dependencies]
    while nearest:
        further: list[str] = []
        for statement in nearest:
            if statement not in seen:
                seen.add(statement)
                one = store.statement_record(statement)
                found.setdefault((one.asset, one.partition), one)
                further += [dependency.statement for dependency in one.dependencies]
        nearest = further
    return found


@dataclass(frozen=True)
class FileDifference:
    """One file of the two: equal, or in words how it differs."""

    name: str
    equal: bool
    text: str


def compare(
    table: Table | None, store: Store, recorded: Record, scratch: Store, now: Record
) -> list[FileDifference]:
    """Every file of either record, compared by bytes and, where it is the table, by rows."""
    found = []
    for name in sorted({*recorded.files, *now.files}):
        was, new = recorded.files.get(name), now.files.get(name)
        if was == new:
            text = "equal"
        elif was is None or new is None:
            text = "was not there" if was is None else "is not there any more"
        elif name == TABLE and table is not None:
            text = _rows(store, recorded, scratch, now)
        else:
            text = f"different: {was[:12]} → {new[:12]}"
        found.append(FileDifference(name, was == new, text))
    return found


def _rows(store: Store, recorded: Record, scratch: Store, now: Record) -> str:
    """How the rows differ; the recorded bytes may be gone."""
    try:
        was = store.table(recorded)
    except (IntegrityError, MissingInputError) as error:
        return f"different, and the recorded table cannot be read: {error}"
    return "different: " + "; ".join(row_differences(was, scratch.table(now), recorded.asset))


def row_differences(was: pl.DataFrame, now: pl.DataFrame, asset: str) -> Iterator[str]:
    """Rows by key that are in one table only, that differ, and in which columns."""
    if was.schema != now.schema:
        yield f"columns {_columns(was)} → {_columns(now)}"
        return
    found = compare_rows(asset, was, now)
    yield f"{found.changed} of {was.height} rows differ"
    if table_of(asset) is TRACES and was.height:
        # What can be said of an engine whose bytes do not repeat.
        equal = was.height - found.changed - found.removed
        yield f"{equal / was.height:.1%} of the traces are equal"
    if found.removed or found.added:
        yield f"{found.removed} rows are gone, {found.added} are new"
    if found.columns:
        yield f"in {', '.join(found.columns)}"
    if not (found.changed or found.removed or found.added):
        yield "equal values in other bytes or another order"


def _columns(frame: pl.DataFrame) -> str:
    return ", ".join(f"{name} {dtype}" for name, dtype in frame.schema.items())
