"""Verdicts, acceptances and everything else in a store: what says so, and what nobody named."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mitt_assets.lineage import canonical
from mitt_assets.lineage.audit_bytes import OBJECTS, TMP, Bytes
from mitt_assets.lineage.audit_records import Records
from mitt_assets.lineage.findings import DAMAGE, Finding, Kind
from mitt_assets.lineage.signing import FOLDER as SIGNATURES
from mitt_assets.lineage.statement import label
from resources.files import object_path

VERDICTS, OVERRIDES = "verdicts/", "overrides/"
SIGN = "Sign again: mitt lineage sign"
_SIGNED = ("envelope", "statement")
JUDGE = "Judge the partition again: mitt check"
_ABOUT = re.compile(r"(?:verdicts|overrides)/([0-9a-f]{2})/(\1[0-9a-f]{62})-([0-9a-f]{64})\.json")


@dataclass
class Places:
    """What stands beside the records: acceptances by path, objects that pointers name, counts."""

    overrides: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    young: int = 0
    verdicts: int = 0


def read_places(records: Records, root: Path, stored: Bytes) -> Places:
    """Look at every file of a store that is no pointer of a partition and no history entry."""
    places = Places()
    contents: dict[str, set[str]] = {}
    for record in records.statements.values():
        place = label(record.asset, record.partition)
        contents.setdefault(record.content, set()).add(place)
    for path in stored.paths:
        if path.startswith((VERDICTS, OVERRIDES)):
            places.findings += _about_content(places, root, stored, path, contents)
        elif path.startswith(SIGNATURES):
            places.findings += _signature(places, root, stored, path)
    for path in stored.paths:
        places.findings += _unnamed(places, records, stored, path)
    return places


def _about_content(
    places: Places, root: Path, stored: Bytes, path: str, contents: Mapping[str, set[str]]
) -> Iterator[Finding]:
    """A verdict or an acceptance is about the content and the suite that its name says."""
    match = _ABOUT.fullmatch(path)
    if match is None or match[2] not in contents:
        found = "it is about a content that no record has"
        yield Finding("unrecorded", path, found, "Free it: mitt gc --delete")
        places.named |= _digests(root / path)
        return
    holders, about = contents[match[2]], (match[2], match[3])
    place = ", ".join(sorted(holders))
    try:
        body = json.loads((root / path).read_bytes())
        if path.startswith(OVERRIDES):
            said = body["content"], body["suite"]
            holder, problem = label(body["asset"], body["partition"]), None
            canonical.encode(body)
            places.overrides[path] = body
        else:
            digest = body["verdict"]
            places.named.add(digest)
            places.verdicts += 1
            if not stored.sound(digest):
                state = "is not what its name says" if stored.there(digest) else "is gone"
                kind: Kind = "tampered" if stored.there(digest) else "missing"
                yield Finding(kind, place, f"its verdict, object {digest}, {state}", JUDGE)
                return
            verdict = json.loads((root / object_path("objects", digest)).read_bytes())
            said, holder, problem = _verdict(verdict)
    except DAMAGE as error:
        yield Finding("tampered", place, f"{path} cannot be read: {error!r}", JUDGE)
        return
    if said != about or holder not in holders:
        found = f"{path} speaks of {holder} with content {said[0]} under suite {said[1]}"
        yield Finding("tampered", place, found, JUDGE)
    elif problem:
        yield Finding("tampered", place, f"its verdict {problem}", JUDGE)


def _verdict(body: Mapping[str, Any]) -> tuple[tuple[str, str], str, str | None]:
    """What a verdict is about, whom, and how its result contradicts its outcomes, if it does."""
    subject, predicate = body["subject"][0], body["predicate"]
    suite = predicate["configuration"][0]["digest"]["sha256"]
    failed = [one for one in predicate["outcomes"] if not one["passed"]]
    blocking = any(one["severity"] == "critical" for one in failed)
    result = "FAILED" if blocking else "WARNED" if failed else "PASSED"
    wrong = f"says {predicate['result']}, its outcomes {result}"
    notes = subject["annotations"]
    return (
        (subject["digest"]["sha256"], suite),
        label(notes["asset"], notes["partition"]),
        None if predicate["result"] == result else wrong,
    )


def _signature(places: Places, root: Path, stored: Bytes, path: str) -> Iterator[Finding]:
    """What a signature's pointer names is there; whether it verifies is asked with a key."""
    digests = _digests(root / path) - _digests_in(path)
    places.named |= digests
    if len(digests) != len(_SIGNED):
        yield Finding("tampered", path, "the pointer does not name a signature", SIGN)
    for digest in sorted(digests):
        if not stored.there(digest):
            yield Finding("missing", path, f"the object {digest} that it names is gone", SIGN)


def _unnamed(places: Places, records: Records, stored: Bytes, path: str) -> Iterator[Finding]:
    """A file that nothing names; one that a writer may be about to name is counted."""
    if path.startswith(("refs/", "history/", VERDICTS, OVERRIDES, SIGNATURES)):
        return
    digest = path.rpartition("/")[2]
    if path.startswith(OBJECTS) and path == object_path("objects", digest):
        if digest in records.named or digest in places.named:
            return
    elif not path.startswith(TMP):
        yield Finding("unrecorded", path, "a file that the store does not use", "Move it away.")
        return
    if path in stored.young:
        places.young += 1
    elif stored.hashed.get(path, digest) == digest:
        found = "nothing current or historical names it"
        yield Finding("unrecorded", path, found, "Free it: mitt gc --delete")


def _digests(path: Path) -> set[str]:
    """All digests that a pointer's file names."""
    try:
        return _digests_in(path.read_text("utf-8"))
    except DAMAGE:
        return set()


def _digests_in(text: str) -> set[str]:
    return set(re.findall(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])", text))
