"""Garbage collection: what no current partition needs any more, directly or through its inputs.

A statement needs its files and the statements of its inputs, so everything a current number can be
walked back to is kept, even where an input has moved on; verdicts go with the content they are
about. Objects and history younger than an hour are kept whatever they are: a writer may stand
between its objects and its pointer.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mitt_assets.lineage.statement import label
from mitt_assets.lineage.store import Store
from resources.storage import Storage, pointer_key

MIN_AGE_S = 3600.0
ABOUT_CONTENT = ("verdicts/", "overrides/")
"""Pointers that speak of a content, which their file name begins with."""
_DIGEST = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
# Canonical statements begin so; whatever else an object holds, it names no other object.
_STATEMENT = b'{"_type":'


@dataclass(frozen=True)
class GcPlan:
    """What would go: objects with their sizes in bytes, verdicts' pointers, history entries."""

    storage: Storage
    objects: tuple[tuple[str, int], ...]
    pointers: tuple[str, ...]
    history: tuple[str, ...]
    min_age_s: float

    @property
    def size(self) -> int:
        """Bytes that would be freed."""
        return sum(size for _, size in self.objects)

    def broken(self) -> dict[str, int]:
        """Earlier commits that could no longer be traced, compared or reproduced, by partition."""
        found: dict[str, int] = {}
        for entry in self.history:
            folder = entry.rpartition("/")[0].partition("/")[2]
            place = label(*pointer_key(folder))
            found[place] = found.get(place, 0) + 1
        return found

    def sentence(self) -> str:
        """The plan in one sentence, for a terminal."""
        return (
            f"{len(self.objects)} objects ({self.size / 1e6:.1f} MB), {len(self.pointers)} "
            f"verdicts and {len(self.history)} history entries of {self.storage.url} are needed "
            "by nothing current"
        )


def plan(store: Store, *, keep_history: bool = False, min_age_s: float = MIN_AGE_S) -> GcPlan:
    """What nothing current needs; with `keep_history`, what no commit ever made needs.

    Raises IntegrityError if a needed statement is damaged: what it needs cannot be known then.
    """
    storage = store.storage
    entries = storage.history()
    kept = [entry for entry in entries if keep_history or _age(entry) < min_age_s]
    names = storage.pointers()
    about = {name: _about(name) for name in names if name.startswith(ABOUT_CONTENT)}
    refs = b" ".join(storage.read_pointer(name) or b"" for name in names if name not in about)
    roots = _digests(b" ".join([refs, *(_statement(entry).encode() for entry in kept)]))
    known = set(storage.objects())
    live, named = _reachable(storage, roots & known, known)
    dead_pointers = tuple(name for name, content in about.items() if content not in roots | named)
    verdicts = (storage.read_pointer(name) or b"" for name in about if name not in dead_pointers)
    live |= _digests(b" ".join(verdicts)) & known
    dead = sorted(name for name in known - live if storage.age(name) > min_age_s)
    safe = {*kept, *(entry for entry in entries if _statement(entry) in live)}
    return GcPlan(
        storage=storage,
        objects=tuple((name, storage.size(name)) for name in dead),
        pointers=dead_pointers,
        history=tuple(entry for entry in entries if entry not in safe),
        min_age_s=min_age_s,
    )


def collect(plan: GcPlan) -> int:
    """Remove what the plan names and nothing has stored again since; returns the bytes freed."""
    freed = 0
    for entry in plan.history:
        plan.storage.remove_history(entry)
    for pointer in plan.pointers:
        plan.storage.remove_pointer(pointer)
    for name, size in plan.objects:
        if plan.storage.has(name) and plan.storage.age(name) > plan.min_age_s:
            plan.storage.delete(name)
            freed += size
    plan.storage.remove_leftovers(plan.min_age_s)
    return freed


def _about(pointer: str) -> str:
    return pointer.rpartition("/")[2].partition("-")[0]


def _reachable(
    storage: Storage, roots: Iterable[str], known: set[str]
) -> tuple[set[str], set[str]]:
    """All objects that these name, directly or through statements, and all digests named."""
    files: set[str] = set()
    named: set[str] = set()
    followed: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in followed:
            followed.add(name)
            subjects, others = _named_in(storage.get(name))
            named |= others
            files |= subjects & known
            waiting += others & known
    return followed | files, named


def _named_in(data: bytes) -> tuple[set[str], set[str]]:
    """The digests a statement is about, which name nothing further, and all others in it."""
    if not data.startswith(_STATEMENT):
        return set(), set()
    subjects = {subject["digest"]["sha256"] for subject in json.loads(data)["subject"]}
    return subjects, _digests(data) - subjects


def _digests(data: bytes) -> set[str]:
    return {match.decode() for match in _DIGEST.findall(data)}


def _statement(entry: str) -> str:
    return entry.rpartition("-")[2]


def _age(entry: str) -> float:
    """Seconds since a commit, from its name."""
    moment = entry.rpartition("/")[2].partition("-")[0]
    made = datetime.strptime(moment, "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC)
    return (datetime.now(UTC) - made) / timedelta(seconds=1)
