"""Histories and clocks: whether what is current was committed last, and the times can be true."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from mitt_assets.lineage.audit_records import AGAIN, Entry, Key, Records
from mitt_assets.lineage.findings import Finding
from mitt_assets.lineage.statement import Record, label

SLACK = timedelta(seconds=1)
"""Clocks of two machines that share a home may differ by so much: our choice."""


def check_times(records: Records) -> Iterator[Finding]:
    """Every finding about histories, and about when things were made."""
    for key in sorted({*records.pointed, *records.history}, key=lambda one: label(*one)):
        entries = sorted(records.history.get(key, []), key=lambda one: one.when)
        yield from _history(records, key, entries)
        yield from _order(records, key, entries)
    for record in records.statements.values():
        yield from _clock(records, record)
    yield from _forgotten(records)


def _forgotten(records: Records) -> Iterator[Finding]:
    """What something was made from was committed once, and its history says so."""
    committed = {one.statement for some in records.history.values() for one in some}
    readers: dict[str, list[str]] = {}
    for record in records.statements.values():
        for edge in record.dependencies:
            if edge.statement not in committed:
                place = label(record.asset, record.partition)
                readers.setdefault(edge.statement, []).append(place)
    for statement, places in readers.items():
        made = records.statements.get(statement)
        if made is not None:
            more = f" and {len(places) - 1} more were" if len(places) > 1 else " was"
            found = f"no history names {statement}, of which {min(places)}{more} made"
            yield Finding("history", label(made.asset, made.partition), found, AGAIN)


def _history(records: Records, key: Key, entries: list[Entry]) -> Iterator[Finding]:
    """The history ends with what is current, and holds nothing of another partition."""
    place, pointer = label(*key), records.pointed.get(key)
    named = [one.statement for one in entries]
    if pointer is None:
        found = "its pointer is gone: the history names it, and nothing is current"
        yield Finding("missing", place, found, "Make it again: mitt run")
    elif pointer.statement not in named:
        found = f"its history does not name the statement that is current, {pointer.statement}"
        yield Finding("history", place, found, AGAIN)
    elif named[-1] != pointer.statement:
        found = f"the pointer went back to {pointer.statement}; {named[-1]} was committed last"
        yield Finding("history", place, found, AGAIN)
    for entry in entries:
        record = records.statements.get(entry.statement)
        if record is not None and (record.asset, record.partition) != key:
            found = f"the entry names a statement of {label(record.asset, record.partition)}"
            yield Finding("tampered", entry.path, found, AGAIN)


def _order(records: Records, key: Key, entries: list[Entry]) -> Iterator[Finding]:
    """A commit comes after its partition was finished, which comes after the one before it."""
    place = label(*key)
    ended = [_ended(records, one.statement) for one in entries]
    for entry, end in zip(entries, ended, strict=True):
        if end is not None and entry.when + SLACK < end:
            found = f"committed at {entry.when.isoformat()}, before it was finished at {end}"
            yield Finding("clock", place, found, AGAIN)
    for (first, before), (second, after) in pairwise(zip(entries, ended, strict=True)):
        if before is not None and after is not None and after + SLACK < before:
            found = f"{second.statement} replaced {first.statement}, but was finished before it"
            yield Finding("clock", place, found, AGAIN)


def _clock(records: Records, record: Record) -> Iterator[Finding]:
    """A partition is started before it is finished, and after its inputs were."""
    place = label(record.asset, record.partition)
    started, ended = _time(record.started), _time(record.ended)
    if started is None or ended is None:
        found = f"started {record.started!r} or finished {record.ended!r} is no time"
        yield Finding("clock", place, found, AGAIN)
        return
    if ended < started:
        found = f"finished at {record.ended}, before it was started at {record.started}"
        yield Finding("clock", place, found, AGAIN)
    if ended > datetime.now(UTC) + SLACK:
        yield Finding("clock", place, f"finished at {record.ended}, which is to come", AGAIN)
    for edge in record.dependencies:
        finished = _ended(records, edge.statement)
        if finished is not None and started + SLACK < finished:
            read = label(edge.asset, edge.partition)
            found = f"started at {record.started}, before its input {read} was finished"
            yield Finding("clock", place, f"{found} at {finished.isoformat()}", AGAIN)


def _ended(records: Records, statement: str) -> datetime | None:
    record = records.statements.get(statement)
    return None if record is None else _time(record.ended)


def _time(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else None
