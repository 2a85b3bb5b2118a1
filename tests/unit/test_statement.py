import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitt_assets.errors import IntegrityError, StorageError
from mitt_assets.lineage import canonical
from mitt_assets.lineage.statement import (
    Dependency,
    Provenance,
    build,
    content_digest,
    parse,
)

NAMES = st.text("abc/|é_.", min_size=1, max_size=8)
DIGESTS = st.binary(max_size=3).map(lambda data: hashlib.sha256(data).hexdigest())
SCALARS = st.none() | st.integers() | st.text("xyz") | st.lists(st.integers(), max_size=2)
SLICES = st.dictionaries(NAMES, SCALARS, max_size=3)
PROVENANCES = st.builds(
    Provenance,
    asset=NAMES,
    partition=st.none() | NAMES,
    dependencies=st.lists(
        st.builds(Dependency, NAMES, st.none() | NAMES, DIGESTS, DIGESTS), max_size=3
    ).map(tuple),
    study_slice=SLICES,
    code=st.dictionaries(NAMES, NAMES, max_size=2),
    environment=SLICES,
    run_id=NAMES,
    started=NAMES,
    ended=NAMES,
    parameters=SLICES,
    seeds=SLICES,
    materials=st.dictionaries(NAMES, DIGESTS | st.just("unverified"), max_size=3),
    overrides=st.lists(SLICES, max_size=2).map(tuple),
)


@given(PROVENANCES, st.dictionaries(NAMES, DIGESTS, max_size=3))
def test_a_statement_gives_back_all_that_was_put_in(provenance, files):
    data = canonical.encode(build(provenance, files))
    record = parse(data)
    given_back = {name: getattr(record, name) for name in Provenance.__dataclass_fields__}
    assert Provenance(**given_back) == provenance
    assert record.files == files
    assert record.content == content_digest(files)
    assert record.statement == hashlib.sha256(data).hexdigest()


@given(PROVENANCES, PROVENANCES)
def test_the_content_depends_on_files_alone(one, other):
    files = {"table.parquet": "0" * 64}
    first, second = (parse(canonical.encode(build(p, files))) for p in (one, other))
    assert first.content == second.content


def test_the_content_depends_on_names_and_bytes():
    base = content_digest({"a": "0" * 64, "b": "1" * 64})
    assert base == content_digest({"b": "1" * 64, "a": "0" * 64})
    assert base != content_digest({"a": "1" * 64, "b": "0" * 64})
    assert base != content_digest({"a": "0" * 64})


def test_the_shape_is_in_toto_and_slsa():
    provenance = Provenance(
        asset="mitt/adapter",
        partition="llama",
        dependencies=(Dependency("mitt/training_set", "llama", "c" * 64, "d" * 64),),
        study_slice={},
        code={"version": "v"},
        environment={},
        run_id="run",
        started="2026-01-01T00:00:00Z",
        ended="2026-01-01T00:00:01Z",
        materials={"model.safetensors": "e" * 64, "endpoint": "unverified"},
    )
    body = build(provenance, {"adapter.safetensors": "a" * 64})
    assert body["_type"] == "https://in-toto.io/Statement/v1"
    assert body["subject"] == [{"name": "adapter.safetensors", "digest": {"sha256": "a" * 64}}]
    assert set(body["predicate"]) == {"buildDefinition", "runDetails"}
    assert set(body["predicate"]["buildDefinition"]) == {
        "buildType",
        "externalParameters",
        "internalParameters",
        "resolvedDependencies",
    }
    resolved = body["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert [item.get("digest") for item in resolved] == [
        {"sha256": "c" * 64},
        None,
        {"sha256": "e" * 64},
    ]


@pytest.mark.parametrize("field", ["_type", "predicateType"])
def test_another_version_is_refused_by_name(field):
    body = json.loads(canonical.encode({"_type": "", "predicateType": ""}))
    body[field] = "https://mitt-assets.dev/provenance/v99"
    with pytest.raises(StorageError, match=r"provenance/v99.*this program reads"):
        parse(canonical.encode(body))


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b'{"_type":'])
def test_bytes_that_are_no_statement_are_refused(data):
    with pytest.raises(IntegrityError):
        parse(data)


def test_a_statement_that_lacks_a_field_is_refused():
    body = {
        "_type": "https://in-toto.io/Statement/v1",
        "predicateType": "https://mitt-assets.dev/provenance/v1",
        "subject": [],
        "predicate": {"buildDefinition": {}},
    }
    with pytest.raises(IntegrityError, match="externalParameters|resolvedDependencies"):
        parse(canonical.encode(body))
