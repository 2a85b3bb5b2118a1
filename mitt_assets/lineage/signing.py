"""Signatures: the one thing a rewrite of the whole store cannot imitate.

Digests that name each other show every change but one: somebody who makes all records again, in
order, leaves a store that agrees with itself. A signature over the statement root, by a key that
is kept elsewhere, shows that too. It is a DSSE envelope (ed25519) over an in-toto statement that
lists every partition, so that the partition that changed can be named.
"""

import base64
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mitt_assets.errors import IntegrityError, MittError
from mitt_assets.lineage import canonical
from mitt_assets.lineage.canonical import JSON
from mitt_assets.lineage.findings import DAMAGE
from mitt_assets.lineage.statement import STATEMENT_TYPE
from mitt_assets.lineage.store import Store
from resources.files import told
from resources.storage import Storage

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

PAYLOAD_TYPE = "application/vnd.in-toto+json"
PREDICATE_TYPE = "https://mitt-assets.dev/signed-study/v1"
FOLDER = "signatures/"
VERDICTS = "verdicts/"
PUBLIC_SUFFIX = ".pub.pem"
Key = tuple[str, str | None]


class KeyFileError(MittError):
    """A key file is absent, is there already, or holds no ed25519 key; names it and the remedy."""


@dataclass(frozen=True)
class Signed:
    """What one verified signature vouches for: (content, statement) of each partition.

    ``verdicts`` maps the pointers of verdicts to the sha256 of their files.
    """

    name: str
    root: str
    content_root: str
    when: str
    partitions: Mapping[Key, tuple[str, str]]
    verdicts: Mapping[str, str]


def generate(path: Path) -> tuple[Path, Path]:
    """Make a private key (PKCS8 PEM, mode 0600) and its public one beside it; returns both paths.

    Raises KeyFileError where either file is there already: a key that is lost verifies nothing.
    """
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    public = path.with_name(path.name.removesuffix(".pem") + PUBLIC_SUFFIX)
    for one in (path, public):
        if one.exists():
            raise KeyFileError(f"{one} is there already; choose another name with --out.")
    key = Ed25519PrivateKey.generate()
    private_bytes = key.private_bytes(
        form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()
    )
    with told(path.parent, "write the key"):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(private_bytes)
        public.write_bytes(_public_pem(key.public_key()))
    return path, public


def private_key(path: Path) -> "Ed25519PrivateKey":
    """The private key in a PEM file. Raises KeyFileError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except TypeError as error:
        raise _no_key(path, "private", "it needs a password, and none can be given") from error
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise _no_key(path, "private", str(error)) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path, "private", f"it is a {type(key).__name__}")
    return key


def public_key(path: Path) -> "Ed25519PublicKey":
    """The public key in a PEM file. Raises KeyFileError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _no_key(path, "public", str(error)) from error
    if not isinstance(key, Ed25519PublicKey):
        raise _no_key(path, "public", f"it is a {type(key).__name__}")
    return key


def key_id(key: "Ed25519PublicKey") -> str:
    """sha256 of the public key's DER form, in hex."""
    from cryptography.hazmat.primitives import serialization as form

    der = key.public_bytes(form.Encoding.DER, form.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def pre_authentication(payload: bytes) -> bytes:
    """What is signed: DSSE's PAE of the payload and its type (secure-systems-lab/dsse, v1.0)."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(store: Store, key: "Ed25519PrivateKey") -> str:
    """Sign what is current and keep the signature in the store; returns its pointer's name.

    The signed statement is an object of its own beside the envelope: garbage collection follows it
    and keeps whatever was signed.
    """
    body = _statement(store)
    payload = canonical.encode(body)
    name = key_id(key.public_key())
    signature = key.sign(pre_authentication(payload))
    envelope: JSON = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": name, "sig": base64.b64encode(signature).decode()}],
    }
    storage = store.storage
    pointer = {
        "envelope": storage.put(canonical.encode(envelope)),
        "statement": storage.put(payload),
    }
    path = f"{FOLDER}{body['subject'][0]['digest']['sha256']}-{name}.json"
    storage.write_pointer(path, canonical.encode(pointer))
    return path


def signed_states(storage: Storage, key: "Ed25519PublicKey") -> Iterator[Signed | MittError]:
    """Every state signed by a key, or why a signature that claims to be by it is not."""
    for name in storage.pointers(FOLDER):
        if name.endswith(f"-{key_id(key)}.json"):
            try:
                yield _verified(storage, name, key)
            except DAMAGE as error:
                yield IntegrityError(f"{name} is no signature by this key: {error}")


def read_state(storage: Storage, name: str) -> Signed:
    """The state a signature's pointer names, its signature not verified. Raises IntegrityError."""
    try:
        pointer = json.loads(storage.read_pointer(name) or b"")
        envelope = json.loads(storage.get(pointer["envelope"]))
        return _parse(name, base64.b64decode(envelope["payload"]))
    except DAMAGE as error:
        raise IntegrityError(f"{name} is no signature: {error}") from error


def _verified(storage: Storage, name: str, key: "Ed25519PublicKey") -> Signed:
    from cryptography.exceptions import InvalidSignature

    pointer = json.loads(storage.read_pointer(name) or b"")
    envelope = json.loads(storage.get(pointer["envelope"]))
    payload = base64.b64decode(envelope["payload"], validate=True)
    if envelope["payloadType"] != PAYLOAD_TYPE:
        raise IntegrityError(f"its payload is {envelope['payloadType']}, not {PAYLOAD_TYPE}")
    own = [one for one in envelope["signatures"] if one["keyid"] == key_id(key)]
    try:
        key.verify(base64.b64decode(own[0]["sig"], validate=True), pre_authentication(payload))
    except InvalidSignature as error:
        raise IntegrityError("the signature does not fit what it is on") from error
    found = _parse(name, payload)
    if name != f"{FOLDER}{found.root}-{key_id(key)}.json":
        raise IntegrityError(f"it is on the statement root {found.root}")
    return found


def _statement(store: Store) -> dict[str, Any]:
    """The in-toto statement that is signed: the roots, and what they are made of."""
    storage = store.storage
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": "statement root", "digest": {"sha256": store.statement_root()}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "contentRoot": store.content_root(),
            "signedOn": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "partitions": [
                [one.asset, one.partition, one.content, one.statement] for one in store.records()
            ],
            "verdicts": {
                name: hashlib.sha256(storage.read_pointer(name) or b"").hexdigest()
                for name in storage.pointers(VERDICTS)
            },
        },
    }


def _parse(name: str, payload: bytes) -> Signed:
    body = json.loads(payload)
    predicate = body["predicate"]
    rows = predicate["partitions"]
    root = str(body["subject"][0]["digest"]["sha256"])
    for what, said, at in (("statement", root, 3), ("content", predicate["contentRoot"], 2)):
        if canonical.digest([[one[0], one[1], one[at]] for one in rows]) != said:
            raise IntegrityError(f"its {what} root is not that of the partitions it lists")
    return Signed(
        name=name,
        root=root,
        content_root=str(predicate["contentRoot"]),
        when=str(predicate["signedOn"]),
        partitions={(one[0], one[1]): (one[2], one[3]) for one in rows},
        verdicts=predicate["verdicts"],
    )


def _public_pem(key: "Ed25519PublicKey") -> bytes:
    from cryptography.hazmat.primitives import serialization as form

    return key.public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)


def _no_key(path: Path, kind: str, why: str) -> KeyFileError:
    return KeyFileError(
        f"{path} holds no {kind} ed25519 key in PEM: {why}. Make a pair with: mitt lineage keygen"
    )
