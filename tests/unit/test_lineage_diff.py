from dataclasses import replace

import polars as pl
import pytest

from mitt_assets.errors import MissingInputError
from mitt_assets.lineage import signing
from mitt_assets.lineage.diff import changes, compare
from mitt_assets.lineage.row_diff import RowDifference, compare_rows
from mitt_assets.lineage.statement import Provenance
from mitt_assets.lineage.states import point, state_of
from mitt_assets.lineage.store import Store, open_store, write_table
from tests.commandline import invoke

ASSETS = ("problems", "base/traces", "base/windows", "reports/drift")


def provenance(asset: str, inputs=(), **fields) -> Provenance:
    known = {
        "asset": asset,
        "partition": None,
        "dependencies": tuple(record.dependency() for record in inputs),
        "study_slice": {"windows.segments": 4},
        "code": {"version": "v1", "commit": "c1"},
        "environment": {"python": "3.11", "libraries": {"polars": "2.1"}, "cores": 2},
        "run_id": "r",
        "started": "2026-01-01T00:00:00+00:00",
        "ended": "2026-01-01T00:00:01+00:00",
        "seeds": {"generation": 1},
        "materials": {"model.safetensors": "a" * 64},
    }
    return Provenance(**{**known, **fields})


def windows(*labels: str) -> pl.DataFrame:
    return pl.DataFrame(
        {"trace_id": ["t"] * len(labels), "window": range(len(labels)), "label": labels}
    )


def build(store: Store, texts=("p", "t", "w", "d"), **fields) -> None:
    """A chain of four assets; `fields` are those of the traces' statement."""
    made = []
    for asset, text in zip(ASSETS, texts, strict=True):
        own = fields if asset == "base/traces" else {}
        table = windows(*text) if asset == "base/windows" else pl.DataFrame({"text": [text]})
        said = provenance(asset, made[-1:], **own)
        made.append(store.commit(said, {"table.parquet": write_table(table)}))


@pytest.fixture
def homes(tmp_path):
    return tmp_path / "a", tmp_path / "b"


def compared(homes):
    return compare(*(state_of(str(home), None) for home in homes))


def kinds(cause) -> set[str]:
    return {change.kind for change in cause.changes}


def test_equal_homes_do_not_differ_whenever_they_were_made(homes):
    build(open_store(homes[0]))
    build(open_store(homes[1]), started="2026-02-02T00:00:00+00:00")
    found = compared(homes)
    assert found.equal
    assert set(found.restated) == {(name, None) for name in ASSETS[1:]}


@pytest.mark.parametrize(
    ("fields", "kind", "name"),
    [
        ({"code": {"version": "v2", "commit": "c1"}}, "code", "version"),
        ({"study_slice": {"windows.segments": 5}}, "study", "windows.segments"),
        ({"seeds": {"generation": 2}}, "seeds", "generation"),
        ({"materials": {"model.safetensors": "b" * 64}}, "weights", "model.safetensors"),
        ({"environment": {"python": "3.12", "libraries": {}}}, "libraries", "python"),
        ({"parameters": {"engine": {"name": "vllm"}}}, "parameters", "engine.name"),
    ],
)
def test_the_first_cause_is_told_with_its_field_and_what_follows(homes, fields, kind, name):
    build(open_store(homes[0]))
    build(open_store(homes[1]), ("p", "T", "x", "D"), **fields)
    found = compared(homes)
    (cause,) = found.causes
    assert cause.key == ("base/traces", None)
    assert (kind, name) in {(one.kind, one.name) for one in cause.changes}
    assert kinds(cause) <= {kind, "machine"}
    assert set(cause.follows) == {("base/windows", None), ("reports/drift", None)}


def test_the_same_done_to_the_same_with_another_result_is_a_cause_without_fields(homes):
    build(open_store(homes[0]))
    build(open_store(homes[1]), ("p", "T", "w", "d"))
    (cause,) = compared(homes).causes
    assert (cause.key, cause.changes, cause.follows) == (("base/traces", None), (), ())


def test_partitions_of_one_side_only_are_named(homes):
    build(open_store(homes[0]))
    build(open_store(homes[1]))
    open_store(homes[1]).commit(provenance("reports/tokens"), {"table.parquet": b""})
    found = compared(homes)
    assert (found.only_a, found.only_b) == ((), (("reports/tokens", None),))
    assert not found.equal


def test_rows_are_compared_by_key(homes):
    build(open_store(homes[0]), ("p", "t", "abc", "d"))
    build(open_store(homes[1]), ("p", "t", "aX", "d"))
    rows = compared(homes).rows[("base/windows", None)]["table.parquet"]
    assert rows == RowDifference(added=0, removed=1, changed=1, columns=("label",))


def test_rows_whatever_their_order_nulls_and_lists():
    key = {"measure": ["a", "b"], "model": "m", "variant": "v", "language": "l"}
    rest = {"curve": "", "axis": "", "x": [None, 1.0]}
    frame = pl.DataFrame({**key, **rest, "estimate": [None, 0.5], "rows": [[1], [2, 3]]})
    assert compare_rows("reports/drift", frame, frame.reverse()) == RowDifference(0, 0, 0, ())
    other = frame.with_columns(rows=pl.Series([[1], [2, 4]]), estimate=pl.Series([0.0, 0.5]))
    found = compare_rows("reports/drift", frame, other)
    assert found == RowDifference(0, 0, 2, ("estimate", "rows"))


def test_rows_without_a_key_are_counted_whole():
    twice = windows("a", "b").with_columns(window=0)
    assert compare_rows("base/windows", twice, windows("a")) == RowDifference(1, 2, 0, ())
    assert compare_rows("base/unknown", twice, twice) == RowDifference(2, 2, 0, ())


def test_two_commits_of_a_partition(homes):
    store = open_store(homes[0])
    build(store)
    build(store, ("p", "T", "w", "d"), seeds={"generation": 9})
    old, new = (commit.statement for commit in store.history("base/traces", None))
    key = ("base/traces", None)
    first, second = point(store, key, old[:12]), point(store, key, new[:12])
    assert not compare(first, second).equal
    (change,) = changes(first.records[key], second.records[key])
    assert (change.kind, change.name, change.was, change.now) == ("seeds", "generation", "1", "9")
    with pytest.raises(MissingInputError, match="begin with 'zz'; its statements are"):
        point(store, key, "zz")


def test_an_input_with_other_bytes_is_data(homes):
    build(open_store(homes[0]))
    build(open_store(homes[1]), ("P", "T", "w", "d"))
    a, b = (open_store(home).current("base/traces", None) for home in homes)
    assert [(one.kind, one.name) for one in changes(a, b)] == [("data", "problems")]
    assert changes(a, replace(b, dependencies=a.dependencies)) == []


def test_a_signed_root_is_a_state(homes, tmp_path):
    store = open_store(homes[0])
    build(store)
    private, _ = signing.generate(tmp_path / "me.pem")
    signing.sign(store, signing.private_key(private))
    root = store.statement_root()
    build(store, ("p", "T", "w", "d"))
    signed, now = state_of(root[:10], homes[0]), state_of(str(homes[0]), None)
    assert compare(signed, now).differing == (("base/traces", None),)
    with pytest.raises(MissingInputError, match="signed roots"):
        state_of("0" * 64, homes[0])
    with pytest.raises(MissingInputError, match="is no home"):
        state_of("nowhere", homes[0])


def test_the_command(homes):
    build(open_store(homes[0]))
    build(open_store(homes[1]), ("p", "T", "x", "D"), seeds={"generation": 2})
    said = invoke("lineage", "diff", *map(str, homes))
    assert said.exit_code == 1
    assert "base/traces differs though its inputs do not" in said.output
    assert "seeds: generation 1 → 2" in said.output
    assert "2 follow from it: base/windows, reports/drift" in said.output
    assert invoke("lineage", "diff", str(homes[0]), str(homes[0])).exit_code == 0
    assert invoke("lineage", "diff", str(homes[0]), "~nobody/home").exit_code == 2
    assert invoke("lineage", "diff", str(homes[0]), "x", "--partition", "en").exit_code == 2
    plain = invoke("lineage", "diff", *map(str, homes), "--json").output
    assert '"follows": [\n' in plain
