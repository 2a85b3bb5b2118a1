"""Pointers, statements and edges: whether the records agree with each other and with the bytes.

A statement names its inputs by statement digest, so one that was edited has another name and every
record that rests on it still names the old one. What is checked here is that all these names lead
where they say.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from mitt_assets.errors import StorageError
from mitt_assets.lineage.audit_bytes import Bytes
from mitt_assets.lineage.findings import DAMAGE, Finding, Kind
from mitt_assets.lineage.statement import SHA256, Dependency, Record, label
from mitt_assets.lineage.store import Store
from resources.files import object_path
from resources.storage import pointer_key, pointer_path

Key = tuple[str, str | None]
AGAIN = "Restore the store from a copy, or make the partition again: mitt run --force"
NEWER = "Read it with the release that wrote it, or make the partition again."


@dataclass(frozen=True)
class Pointer:
    """What a partition's pointer says is current."""

    content: str
    statement: str


@dataclass(frozen=True)
class Entry:
    """One history entry: where it stands, whose it is, when it was made, the statement it names."""

    path: str
    key: Key
    when: datetime
    statement: str


@dataclass
class Records:
    """Everything the records say, as far as it can be read, and what is wrong with it.

    ``current`` and ``history`` are by partition; ``statements`` by digest, everything that current
    and historical statements were made from included; ``named`` maps each object to the places
    that name it.
    """

    current: dict[Key, Record] = field(default_factory=dict)
    pointed: dict[Key, Pointer] = field(default_factory=dict)
    history: dict[Key, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    statements: dict[str, Record] = field(default_factory=dict)
    named: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    findings: list[Finding] = field(default_factory=list)
    edges: int = 0

    def find(self, kind: Kind, place: str, found: str, remedy: str = AGAIN) -> None:
        """Write a finding down."""
        self.findings.append(Finding(kind, place, found, remedy))

    def name(self, digest: str, place: str, what: str) -> None:
        """Note that an object is named: by which partition, as what."""
        self.named[digest].setdefault(place, what)


def read_records(store: Store, root: Path, stored: Bytes) -> Records:
    """Read and compare all records of a store whose files are ``stored``."""
    records = Records()
    for path in stored.paths:
        if path.startswith("refs/"):
            _read_pointer(records, root, path)
        elif path.startswith("history/"):
            _read_entry(records, root, path)
    _walk(records, store, stored)
    _compare_pointers(records)
    for record in records.statements.values():
        records.findings += _edges(records, record)
        records.edges += len(record.dependencies)
    _check_objects(records, stored)
    return records


def _read_pointer(records: Records, root: Path, path: str) -> None:
    """Follow a pointer to a statement's digest; the rest is compared when the statement is read."""
    try:
        name = path.removeprefix("refs/").removesuffix(".json")
        key = pointer_key(name)
        body = json.loads((root / path).read_bytes())
        said = body["asset"], body["partition"]
        pointer = Pointer(str(body["content"]), str(body["statement"]))
    except DAMAGE as error:
        records.find("tampered", path, f"the pointer is damaged: {error!r}")
        return
    if path != f"refs/{pointer_path(*key)}.json" or said != key:
        records.find("tampered", label(*key), f"{path} says it is the pointer of {label(*said)}")
    records.pointed[key] = pointer


def _read_entry(records: Records, root: Path, path: str) -> None:
    try:
        folder, _, name = path.removeprefix("history/").rpartition("/")
        moment, _, digest = name.partition("-")
        when = datetime.strptime(moment, "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC)
        entry = Entry(path, pointer_key(folder), when, digest)
        text = (root / path).read_text(encoding="utf-8")
    except DAMAGE as error:
        remedy = "Remove it if nobody wants it."
        records.find("unrecorded", path, f"it is no history entry: {error}", remedy)
        return
    if text != digest:
        records.find("tampered", path, f"the entry says {text[:64]!r}, its name {digest}")
    records.history[entry.key].append(entry)


def _walk(records: Records, store: Store, stored: Bytes) -> None:
    """Read every statement that is current, was current, or was read by one of these."""
    waiting = [(pointer.statement, key) for key, pointer in records.pointed.items()]
    waiting += [(one.statement, key) for key, some in records.history.items() for one in some]
    while waiting:
        digest, key = waiting.pop()
        first = label(*key) not in records.named[digest]
        records.name(digest, label(*key), "statement")
        if not first or digest in records.statements:
            continue
        record = _statement(records, store, stored, digest, label(*key))
        if record is not None:
            records.statements[digest] = record
            for name, sha256 in record.files.items():
                records.name(sha256, label(record.asset, record.partition), name)
            waiting += [(one.statement, (one.asset, one.partition)) for one in record.dependencies]


def _statement(
    records: Records, store: Store, stored: Bytes, digest: str, place: str
) -> Record | None:
    """A statement, or None and why; absent and altered bytes are told with the other objects."""
    if not stored.sound(digest):
        return None
    try:
        record = store.statement_record(digest)
        _check_types(record)
        return record
    except StorageError as error:
        records.find("unreadable", place, str(error), NEWER)
    except DAMAGE as error:
        records.find("tampered", place, f"object {digest} is no statement: {error}")
    return None


def _check_types(record: Record) -> None:
    """Raises TypeError unless a parsed statement holds what its fields are declared to hold."""
    digests = [*record.files.values()]
    for one in record.dependencies:
        digests += [one.content, one.statement]
    texts = [record.asset, *record.files, *record.materials, *record.materials.values()]
    texts += [*record.code.values(), *(one.asset for one in record.dependencies)]
    partitions = [record.partition, *(one.partition for one in record.dependencies)]
    objects = [record.study_slice, record.code, record.environment, record.parameters]
    objects += [record.seeds, *record.overrides]
    if not (
        all(isinstance(one, str) and SHA256.fullmatch(one) for one in digests)
        and all(isinstance(one, str) for one in texts)
        and all(one is None or isinstance(one, str) for one in partitions)
        and all(isinstance(one, Mapping) for one in objects)
    ):
        raise TypeError("a field of it has the wrong kind")


def _compare_pointers(records: Records) -> None:
    """Each pointer leads to a statement about its own partition and content."""
    for key, pointer in records.pointed.items():
        record = records.statements.get(pointer.statement)
        if record is None:
            continue
        place, about = label(*key), label(record.asset, record.partition)
        if (record.asset, record.partition) != key:
            records.find("tampered", place, f"its pointer leads to the statement of {about}")
            continue
        if pointer.content != record.content:
            records.find("tampered", place, "its pointer names another content than its statement")
        records.current[key] = record


def _edges(records: Records, record: Record) -> Iterator[Finding]:
    """Each input's statement is about the partition and the content that the edge says."""
    place = label(record.asset, record.partition)
    for edge in record.dependencies:
        found = records.statements.get(edge.statement)
        if found is not None and found.dependency() != edge:
            was, now = _edge(edge), _edge(found.dependency())
            yield Finding("tampered", place, f"its input {was} is recorded as {now}", AGAIN)


def _edge(one: Dependency) -> str:
    return f"{label(one.asset, one.partition)} with content {one.content[:12]}"


def _check_objects(records: Records, stored: Bytes) -> None:
    """Every object that is named is there and is what its name says, and so is every other one."""
    for digest, places in records.named.items():
        for place, what in places.items():
            records.findings += _object(stored, digest, place, what)
    for path, found in stored.hashed.items():
        digest = path.rpartition("/")[2]
        if found != digest and digest not in records.named and _digest_like(path):
            state = "it cannot be read" if found is None else f"its bytes have sha256 {found}"
            records.find("tampered", path, state)


def _object(stored: Bytes, digest: str, place: str, what: str) -> Iterable[Finding]:
    if stored.sound(digest):
        return []
    if not stored.there(digest):
        return [Finding("missing", place, f"its {what}, object {digest}, is gone", AGAIN)]
    found = stored.hashed[object_path("objects", digest)]
    if found is None:
        return [Finding("unreadable", place, f"its {what}, object {digest}, gives an error", AGAIN)]
    return [Finding("tampered", place, f"its {what} is {found}, recorded as {digest}", AGAIN)]


def _digest_like(path: str) -> bool:
    name = path.rpartition("/")[2]
    return len(name) == 64 and path == object_path("objects", name)
