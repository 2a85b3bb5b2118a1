"""What differs between two states, where it began, and what follows from it.

After one early change nearly everything differs. Most of it was made the same way from other
inputs: that follows. What was made in another way from equal inputs is a first cause, and there
are few of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from mitt_assets.lineage.canonical import JSON
from mitt_assets.lineage.row_diff import RowDifference, compare_rows
from mitt_assets.lineage.staleness import study_differences
from mitt_assets.lineage.statement import Record, label
from mitt_assets.lineage.store import Store

Key = tuple[str, str | None]
Field = Literal["data", "weights", "code", "study", "libraries", "machine", "seeds", "parameters"]
LIBRARIES = ("libraries", "installed", "python")


@dataclass(frozen=True)
class State:
    """Partitions at one time and the store their bytes are in."""

    name: str
    store: Store
    records: Mapping[Key, Record]


@dataclass(frozen=True)
class Change:
    """One field of two statements that differs; None for what one side does not have."""

    kind: Field
    name: str
    was: str | None
    now: str | None


@dataclass(frozen=True)
class Cause:
    """A partition that differs though its inputs do not, why, and what follows from it.

    Without ``changes``, the same was done to the same and gave something else.
    """

    key: Key
    changes: tuple[Change, ...]
    follows: tuple[Key, ...]


@dataclass(frozen=True)
class Diff:
    """Two states compared: partitions of one side only, of both with other bytes, and why.

    ``restated`` have equal bytes under another statement; ``rows`` are by differing partition and
    file.
    """

    only_a: tuple[Key, ...]
    only_b: tuple[Key, ...]
    differing: tuple[Key, ...]
    restated: tuple[Key, ...]
    causes: tuple[Cause, ...]
    rows: Mapping[Key, Mapping[str, RowDifference]] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """Whether both states hold the same bytes in the same partitions."""
        return not (self.only_a or self.only_b or self.differing)


def compare(a: State, b: State, *, rows: bool = True) -> Diff:
    """Compare two states by content. Raises IntegrityError for damaged bytes if rows are read."""
    both = sorted(a.records.keys() & b.records.keys(), key=_name)
    differing = [key for key in both if a.records[key].content != b.records[key].content]
    return Diff(
        only_a=tuple(sorted(a.records.keys() - b.records.keys(), key=_name)),
        only_b=tuple(sorted(b.records.keys() - a.records.keys(), key=_name)),
        differing=tuple(differing),
        restated=tuple(
            key
            for key in both
            if key not in differing and a.records[key].statement != b.records[key].statement
        ),
        causes=tuple(_causes(a, b, differing)),
        rows={key: _rows(a, b, key) for key in differing} if rows else {},
    )


def changes(a: Record, b: Record) -> list[Change]:
    """Every field of how two partitions were made that differs, inputs by content among them."""
    return [*_inputs(a, b), *own_changes(a, b)]


def own_changes(a: Record, b: Record) -> list[Change]:
    """What differs beside the inputs: code, study, seeds, parameters, weights, environment."""
    return [
        *_fields("code", a.code, b.code),
        *_fields("study", a.study_slice, b.study_slice),
        *_fields("seeds", a.seeds, b.seeds),
        *_fields("parameters", a.parameters, b.parameters),
        *_fields("weights", a.materials, b.materials),
        *_fields("libraries", _part(a, True), _part(b, True)),
        *_fields("machine", _part(a, False), _part(b, False)),
    ]


def _causes(a: State, b: State, differing: list[Key]) -> Iterator[Cause]:
    """First causes, the one that most follows from first."""
    first = [key for key in differing if not list(_inputs(a.records[key], b.records[key]))]
    follows = {key: _follows(key, a, b, differing) for key in first}
    for key in sorted(first, key=lambda one: (-len(follows[one]), _name(one))):
        changed = own_changes(a.records[key], b.records[key])
        yield Cause(key, tuple(changed), tuple(follows[key]))


def _follows(cause: Key, a: State, b: State, differing: list[Key]) -> list[Key]:
    """Everything that differs and was made, directly or not, from the cause, on either side."""
    reached = {cause}
    waiting = [cause]
    readers = _readers(a, b, differing)
    while waiting:
        fresh = [key for key in readers.get(waiting.pop(), ()) if key not in reached]
        reached.update(fresh)
        waiting += fresh
    return [key for key in differing if key in reached and key != cause]


def _readers(a: State, b: State, differing: list[Key]) -> dict[Key, list[Key]]:
    readers: dict[Key, list[Key]] = {}
    for key in differing:
        for state in (a, b):
            for one in state.records[key].dependencies:
                readers.setdefault((one.asset, one.partition), []).append(key)
    return readers


def _inputs(a: Record, b: Record) -> Iterator[Change]:
    """Inputs of which another content was read, or only on one side."""
    was, now = (
        {label(one.asset, one.partition): one.content for one in record.dependencies}
        for record in (a, b)
    )
    for name in sorted(was.keys() | now.keys()):
        if was.get(name) != now.get(name):
            yield Change("data", name, was.get(name), now.get(name))


def _fields(kind: Field, a: Mapping[str, JSON], b: Mapping[str, JSON]) -> Iterator[Change]:
    for one in study_differences(a, b):
        yield Change(kind, one.field, one.was, one.now)


def _part(record: Record, libraries: bool) -> dict[str, JSON]:
    """The environment's libraries, or the machine; the study is compared field by field."""
    return {
        name: value
        for name, value in record.environment.items()
        if (name in LIBRARIES) == libraries and name != "study"
    }


def _rows(a: State, b: State, key: Key) -> dict[str, RowDifference]:
    """Per table of a partition, how many rows differ; files of other kinds are not looked into."""
    before, after = a.records[key], b.records[key]
    return {
        name: compare_rows(key[0], a.store.table(before, name), b.store.table(after, name))
        for name in sorted(before.files.keys() & after.files.keys())
        if name.endswith(".parquet") and before.files[name] != after.files[name]
    }


def _name(key: Key) -> str:
    return label(*key)
