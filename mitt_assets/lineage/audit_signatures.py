"""What a signature by a known key says of what is current."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mitt_assets.lineage.audit_places import JUDGE
from mitt_assets.lineage.audit_records import Records
from mitt_assets.lineage.findings import Finding
from mitt_assets.lineage.signing import Signed, key_id, signed_states
from mitt_assets.lineage.statement import label
from resources.storage import Storage

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SIGN = "Find out who changed it; if it was you, sign again: mitt lineage sign"


def check_signatures(
    storage: Storage, root: Path, records: Records, key: "Ed25519PublicKey"
) -> Iterator[Finding]:
    """Every partition that the newest signature by this key does not vouch for as it is now."""
    states: list[Signed] = []
    for state in signed_states(storage, key):
        if isinstance(state, Signed):
            states.append(state)
        else:
            yield Finding("tampered", "signatures", str(state), SIGN)
    if not states:
        found = f"nothing is signed by the key {key_id(key)}"
        yield Finding("unsigned", "study", found, SIGN)
        return
    newest = max(states, key=lambda one: one.when)
    yield from _partitions(records, newest)
    yield from _verdicts(root, newest)


def _partitions(records: Records, signed: Signed) -> Iterator[Finding]:
    current = {key: (one.content, one.statement) for key, one in records.current.items()}
    for key in sorted({*current, *signed.partitions}, key=lambda one: label(*one)):
        now, was = current.get(key), signed.partitions.get(key)
        if now == was:
            continue
        if was is None:
            found = f"made after the signature of {signed.when}"
        elif now is None:
            found = f"signed on {signed.when} with statement {was[1]}, and not here now"
        else:
            what = "content" if now[0] != was[0] else "statement"
            at = int(what == "statement")
            found = f"its {what} is {now[at]}; signed on {signed.when} was {was[at]}"
        yield Finding("unsigned", label(*key), found, SIGN)


def _verdicts(root: Path, signed: Signed) -> Iterator[Finding]:
    """A verdict on the same bytes under the same suite can only be the same again."""
    for name, sha256 in signed.verdicts.items():
        path = root / name
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            found = f"another verdict than on {signed.when}, when it was signed"
            yield Finding("tampered", name, found, JUDGE)
