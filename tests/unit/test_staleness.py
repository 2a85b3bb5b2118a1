import pytest

from mitt_assets.errors import IntegrityError
from mitt_assets.lineage.staleness import Expected, damage, explain
from mitt_assets.lineage.statement import Dependency, Record
from mitt_assets.lineage.store import Provenance, Store
from resources.storage import Storage


def record(content="c1", statement="s1", asset="base/probes", partition="tl|llama", **changes):
    fields = {
        "asset": asset,
        "partition": partition,
        "dependencies": (Dependency("base/traces", "tl|llama", "in1", "st1"),),
        "study_slice": {"probes": {"stride": 32, "suffix": "x"}, "languages": ["en", "tl"]},
        "code": {"version": "code1"},
        "environment": {},
        "run_id": "r",
        "started": "",
        "ended": "",
        "files": {},
        "content": content,
        "statement": statement,
    }
    return Record(**(fields | changes))


def expected(**changes):
    fields = {
        "asset": "base/probes",
        "partition": "tl|llama",
        "code": "code1",
        "study_slice": {"probes": {"stride": 32, "suffix": "x"}, "languages": ["en", "tl"]},
        "dependencies": (("base/traces", "tl|llama"),),
    }
    return Expected(**(fields | changes))


def holding(content, statement="st1"):
    return lambda asset, partition: record(content, statement, asset, partition)


def told(reasons):
    return [(reason.kind, reason.field, reason.was, reason.now) for reason in reasons]


def test_nothing_differs():
    assert explain(record(), expected(), holding("in1")) == []


def test_an_input_made_again_with_equal_content_is_no_reason():
    assert explain(record(), expected(), holding("in1", statement="another")) == []


def test_an_input_with_other_content_is_named():
    reasons = explain(record(), expected(), holding("in2"))
    assert told(reasons) == [("input", "base/traces[tl|llama]", "in1", "in2")]
    assert reasons[0].sentence() == "the input base/traces[tl|llama] changed: in1 → in2"


def test_an_input_that_is_gone_is_named():
    reasons = explain(record(), expected(), lambda asset, partition: None)
    assert told(reasons) == [("input-missing", "base/traces[tl|llama]", "in1", None)]


def test_an_input_that_is_stale_itself_is_named():
    key = ("base/traces", "tl|llama")
    reasons = explain(record(), expected(), holding("in1"), {key, ("other", None)})
    assert told(reasons) == [("input-stale", "base/traces[tl|llama]", None, None)]


def test_an_input_whose_record_is_broken_is_damaged():
    def broken(asset, partition):
        raise IntegrityError("truncated")

    assert told(explain(record(), expected(), broken)) == [
        ("input-damaged", "base/traces[tl|llama]", "in1", "truncated")
    ]


def test_a_partition_never_made():
    reasons = explain(None, expected(), holding("in1"))
    assert told(reasons) == [("missing", "base/probes[tl|llama]", None, None)]


def test_a_partition_never_made_whose_input_is_missing():
    reasons = explain(None, expected(), lambda asset, partition: None)
    assert [reason.kind for reason in reasons] == ["missing", "input-missing"]


def test_changed_code():
    reasons = explain(record(), expected(code="code2"), holding("in1"))
    assert told(reasons) == [("code", "version", "code1", "code2")]


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (
            {"probes": {"stride": 16, "suffix": "x"}, "languages": ["en", "tl"]},
            ("study", "probes.stride", "32", "16"),
        ),
        (
            {"probes": {"stride": 32, "suffix": "x"}, "languages": ["en", "tl", "de"]},
            ("study", "languages", '["en","tl"]', '["en","tl","de"]'),
        ),
        (
            {"probes": {"stride": 32}, "languages": ["en", "tl"]},
            ("study", "probes.suffix", '"x"', None),
        ),
        (
            {"probes": {"stride": 32, "suffix": "x"}, "languages": ["en", "tl"], "seed": None},
            ("study", "seed", None, "null"),
        ),
    ],
)
def test_study_keys_are_explained_one_by_one(now, reason):
    assert told(explain(record(), expected(study_slice=now), holding("in1"))) == [reason]


def test_an_empty_object_is_not_the_same_as_no_key():
    reasons = explain(record(study_slice={"a": {}}), expected(study_slice={}), holding("in1"))
    assert told(reasons) == [("study", "a", "{}", None)]


def test_an_input_added_and_one_removed():
    reasons = explain(record(), expected(dependencies=(("encoder", None),)), holding("in1"))
    assert told(reasons) == [
        ("input", "encoder", None, "in1"),
        ("input", "base/traces[tl|llama]", "in1", None),
    ]
    assert reasons[0].sentence() == "the input encoder is new: in1"
    assert reasons[1].sentence() == "the input base/traces[tl|llama] is no longer used"


def test_a_sentence_shortens_digests_and_long_values():
    reasons = explain(record(code={"version": "a" * 64}), expected(code="b" * 64), holding("in1"))
    assert reasons[0].sentence() == f"the code of the step changed: {'a' * 12} → {'b' * 12}"


def test_damage_is_found_in_the_stored_bytes(tmp_path):
    store = Store(Storage(tmp_path / "store"), tmp_path / "cache")
    made = store.commit(
        Provenance(
            asset="problems",
            partition=None,
            dependencies=(),
            study_slice={},
            code={},
            environment={},
            run_id="r",
            started="",
            ended="",
        ),
        {"table.parquet": b"rows", "notes.txt": b"notes"},
    )
    assert damage(store, made) == []
    path = store.storage.local_path(made.files["table.parquet"])
    path.chmod(0o644)
    path.write_bytes(b"r0ws")
    [reason] = damage(store, made)
    assert (reason.kind, reason.field) == ("damaged", "table.parquet of problems")
    assert reason.was == made.files["table.parquet"]
