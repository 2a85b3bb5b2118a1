import base64
import json
import stat

import pytest

from mitt_assets.errors import IntegrityError
from mitt_assets.lineage import canonical, signing
from mitt_assets.lineage.statement import Provenance
from mitt_assets.lineage.store import Store, open_store


@pytest.fixture
def store(tmp_path):
    return open_store(tmp_path / "home")


@pytest.fixture
def keys(tmp_path):
    return signing.generate(tmp_path / "me.pem")


def commit(store: Store, asset: str, data: bytes, inputs=()):
    provenance = Provenance(
        asset=asset,
        partition=None,
        dependencies=tuple(record.dependency() for record in inputs),
        study_slice={},
        code={},
        environment={},
        run_id="r",
        started="",
        ended="",
    )
    return store.commit(provenance, {"table.parquet": data})


def states(store: Store, public) -> list:
    return list(signing.signed_states(store.storage, signing.public_key(public)))


def edited(store: Store, name: str, change) -> None:
    """The envelope changed and stored under its new digest."""
    pointer = json.loads(store.storage.read_pointer(name))
    envelope = json.loads(store.storage.get(pointer["envelope"]))
    change(envelope)
    pointer["envelope"] = store.storage.put(canonical.encode(envelope))
    store.storage.write_pointer(name, canonical.encode(pointer))


def test_what_is_signed_is_what_is_current(store, keys):
    a = commit(store, "a", b"rows")
    b = commit(store, "b", b"more rows", [a])
    name = signing.sign(store, signing.private_key(keys[0]))
    (state,) = states(store, keys[1])
    assert state == signing.read_state(store.storage, name)
    assert state.root == store.statement_root()
    assert state.content_root == store.content_root()
    assert state.partitions == {
        ("a", None): (a.content, a.statement),
        ("b", None): (b.content, b.statement),
    }


def test_the_private_key_is_the_users_alone_and_neither_file_is_ever_replaced(keys):
    private, public = keys
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert private.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    assert public.read_bytes().startswith(b"-----BEGIN PUBLIC KEY-----")
    before = private.read_bytes()
    with pytest.raises(signing.KeyFileError, match="is there already"):
        signing.generate(private)
    private.unlink()
    with pytest.raises(signing.KeyFileError, match="is there already"):
        signing.generate(private)
    assert not private.exists() and before


def test_pre_authentication_is_that_of_the_specification():
    # The vector of the DSSE protocol text, for our payload type.
    said = signing.pre_authentication(b"hello world")
    assert said == b"DSSEv1 28 application/vnd.in-toto+json 11 hello world"


def test_the_envelope_verifies_without_this_program(store, keys):
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    commit(store, "a", b"rows")
    name = signing.sign(store, signing.private_key(keys[0]))
    pointer = json.loads(store.storage.read_pointer(name))
    envelope = json.loads(store.storage.get(pointer["envelope"]))
    payload = base64.b64decode(envelope["payload"])
    assert store.storage.get(pointer["statement"]) == payload
    signature = base64.b64decode(envelope["signatures"][0]["sig"])
    kind = envelope["payloadType"].encode()
    said = b" ".join([b"DSSEv1", b"%d" % len(kind), kind, b"%d" % len(payload), payload])
    load_pem_public_key(keys[1].read_bytes()).verify(signature, said)


def test_a_key_sees_its_own_signatures_only(store, keys, tmp_path):
    commit(store, "a", b"rows")
    _, other = signing.generate(tmp_path / "other.pem")
    signing.sign(store, signing.private_key(keys[0]))
    assert states(store, other) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda envelope: envelope.update(payload=base64.b64encode(b'{"_type":""}').decode()),
        lambda envelope: envelope.update(payload="not base64"),
        lambda envelope: envelope.update(payloadType="text/plain"),
        lambda envelope: envelope["signatures"][0].update(sig=base64.b64encode(b"0" * 64).decode()),
        lambda envelope: envelope.update(signatures=[]),
        lambda envelope: envelope.pop("payload"),
    ],
)
def test_a_changed_envelope_is_no_signature(store, keys, change):
    commit(store, "a", b"rows")
    name = signing.sign(store, signing.private_key(keys[0]))
    edited(store, name, change)
    (state,) = states(store, keys[1])
    assert isinstance(state, IntegrityError)


def test_a_signature_on_another_state_is_told(store, keys):
    commit(store, "a", b"rows")
    name = signing.sign(store, signing.private_key(keys[0]))
    other = f"signatures/{'0' * 64}-{name.rpartition('-')[2]}"
    store.storage.write_pointer(other, store.storage.read_pointer(name))
    store.storage.remove_pointer(name)
    (state,) = states(store, keys[1])
    assert "it is on the statement root" in str(state)


@pytest.mark.parametrize("text", [b"", b"no key", None])
def test_a_file_without_a_key_is_told_by_name(tmp_path, text):
    path = tmp_path / "key.pem"
    if text is not None:
        path.write_bytes(text)
    for read in (signing.private_key, signing.public_key):
        with pytest.raises(signing.KeyFileError, match=r"key.pem holds no .* mitt lineage keygen"):
            read(path)


def test_a_key_of_another_kind_is_refused(tmp_path):
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

    path = tmp_path / "ec.pem"
    path.write_bytes(
        generate_private_key(SECP256R1()).private_bytes(
            form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()
        )
    )
    with pytest.raises(signing.KeyFileError, match="ECPrivateKey"):
        signing.private_key(path)
