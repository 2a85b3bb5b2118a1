"""Is everything what it was? Bytes, records, times, copies, numbers, weights and signatures.

An audit reads everything and believes nothing: it never stops at a finding, and damaged data are
findings, not errors. What agrees with itself may still have been made anew from the first byte;
only a signature, or a root that was written down elsewhere, shows that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mitt_assets.errors import MissingInputError
from mitt_assets.lineage import canonical
from mitt_assets.lineage.audit_bytes import Bytes, read_bytes
from mitt_assets.lineage.audit_copies import check_copies
from mitt_assets.lineage.audit_places import Places, read_places
from mitt_assets.lineage.audit_records import Key, Records, read_records
from mitt_assets.lineage.audit_signatures import check_signatures
from mitt_assets.lineage.audit_study import StudyKnowledge, check_study
from mitt_assets.lineage.audit_times import check_times
from mitt_assets.lineage.findings import Finding
from mitt_assets.lineage.store import open_store

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

__all__ = ["Audit", "Finding", "audit", "audit_store"]


@dataclass(frozen=True)
class Audit:
    """What was found, what was looked at, and the roots of what is current.

    A root is None where a partition cannot be read: it would be of another set than it says.
    """

    findings: tuple[Finding, ...]
    counts: Mapping[str, int]
    content_root: str | None
    statement_root: str | None
    seconds: float

    @property
    def integrity(self) -> list[Finding]:
        """Findings that say the store is not what it was."""
        return [one for one in self.findings if one.severity == "integrity"]


def audit(
    home: Path,
    study: StudyKnowledge,
    key: Ed25519PublicKey | None = None,
    progress: Callable[[str], None] = lambda doing: None,
) -> Audit:
    """Everything about a home that can be found out, and with ``key``, who vouches for it.

    Raises MissingInputError if there is no store in ``home``; nothing else about what is stored.
    """
    clock = time.perf_counter()
    progress("hashing every object")
    stored, records, places = _read(home)
    findings = [*records.findings, *check_times(records), *places.findings]
    findings += check_copies(home, records)
    findings += check_study(study, records, places, progress)
    if key is not None:
        storage = open_store(home).storage
        findings += check_signatures(storage, home / "store", records, key)
    return _result(study.partitions(), stored, records, places, findings, clock)


def audit_store(home: Path) -> list[Finding]:
    """What the bytes and records alone say: everything but what needs the study."""
    _, records, places = _read(home)
    return [*records.findings, *check_times(records), *places.findings]


def _read(home: Path) -> tuple[Bytes, Records, Places]:
    root = home / "store"
    if not root.is_dir():
        raise MissingInputError(f"{home} holds no store; make the study with: mitt run")
    stored = read_bytes(root)
    records = read_records(open_store(home), root, stored)
    return stored, records, read_places(records, root, stored)


def _result(
    wanted: Sequence[Key],
    stored: Bytes,
    records: Records,
    places: Places,
    findings: list[Finding],
    clock: float,
) -> Audit:
    whole = records.current.keys() == records.pointed.keys()
    keys = set(wanted)
    return Audit(
        findings=tuple(dict.fromkeys(findings)),
        counts={
            "objects": len(stored.hashed),
            "bytes": stored.size,
            "partitions": len(records.current),
            "statements": len(records.statements),
            "edges": records.edges,
            "verdicts": places.verdicts,
            "not made": len(keys - records.pointed.keys()),
            "outside the study": len(records.pointed.keys() - keys),
            "being written": places.young,
        },
        content_root=_root(records, "content") if whole else None,
        statement_root=_root(records, "statement") if whole else None,
        seconds=time.perf_counter() - clock,
    )


def _root(records: Records, what: str) -> str:
    """The root over everything current, as `Store.content_root` and `statement_root` give it."""
    chosen = sorted(records.current.items(), key=lambda item: (item[0][0], item[0][1] or ""))
    return canonical.digest([[*key, getattr(record, what)] for key, record in chosen])
