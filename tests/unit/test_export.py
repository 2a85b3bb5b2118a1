import csv
import json

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mitt_assets.errors import MissingInputError, StorageError
from mitt_assets.lineage.export import export
from mitt_assets.lineage.links import rebuild
from mitt_assets.lineage.statement import Provenance
from mitt_assets.lineage.store import Store, open_store, write_table
from resources.storage import Storage

FRAME = pl.DataFrame(
    {
        "id": [b"\x00\xff", None],
        "text": ['a "quoted", line\nand más', None],
        "tokens": [[1, None], None],
        "vector": [[1.5, float("nan")], [0.0, 2.0]],
        "nested": [[["x"], None], []],
        "point": [{"v": 1}, {"v": None}],
        "score": [float("nan"), 0.25],
    },
    schema_overrides={"vector": pl.Array(pl.Float32, 2)},
)


def commit(store: Store, asset: str, partition: str | None, files: dict[str, bytes]):
    provenance = Provenance(
        asset=asset,
        partition=partition,
        dependencies=(),
        study_slice={},
        code={},
        environment={},
        run_id="r",
        started="",
        ended="",
    )
    return store.commit(provenance, files)


@pytest.fixture
def store(tmp_path):
    made = open_store(tmp_path / "home")
    commit(made, "base/probes", "tl|qwen2.5", {"table.parquet": write_table(FRAME)})
    commit(made, "mitt/adapter", "llama", {"adapter.bin": b"weights"})
    commit(made, "reports/study", None, {"table.parquet": write_table(FRAME), "i.html": b"<p>"})
    return made


def test_parquet_is_the_stored_file(store, tmp_path):
    written = export(store, tmp_path / "out", format="parquet")
    probes, study = written
    assert probes == tmp_path / "out/tables/base/probes/qwen2.5/tl.parquet"
    assert study == tmp_path / "out/tables/reports/study.parquet"
    assert_frame_equal(pl.read_parquet(probes), FRAME)


def test_csv_holds_lists_as_json_and_bytes_as_hex(store, tmp_path):
    [path] = export(store, tmp_path, assets=["base/probes"], format="csv")
    with path.open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert first["id"] == "00ff"
    assert first["text"] == 'a "quoted", line\nand más'
    assert json.loads(first["tokens"]) == [1, None]
    assert json.loads(first["vector"]) == [1.5, None]
    assert json.loads(first["nested"]) == [["x"], None]
    assert json.loads(first["point"]) == {"v": 1}
    assert (second["id"], second["tokens"], second["nested"]) == ("", "", "[]")


def test_jsonl_holds_the_rows(store, tmp_path):
    [path] = export(store, tmp_path, assets=["base/probes"], format="jsonl")
    first, second = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    assert first["id"] == "00ff"
    assert first["tokens"] == [1, None]
    assert first["score"] is None
    assert second["vector"] == [0.0, 2.0]
    assert second["tokens"] is None


def test_the_manifest_leads_back_to_the_statement(store, tmp_path):
    [path] = export(
        store,
        tmp_path,
        assets=["base/probes"],
        format="csv",
        refusal=lambda record: f"{record.asset} is bad",
    )
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    record = store.current("base/probes", "tl|qwen2.5")
    assert manifest == {
        path.relative_to(tmp_path).as_posix(): {
            "asset": "base/probes",
            "partition": "tl|qwen2.5",
            "content": record.content,
            "statement": record.statement,
            "refused": "base/probes is bad",
        }
    }


def test_an_asset_that_holds_nothing_is_told(store, tmp_path):
    with pytest.raises(MissingInputError, match=r"'base/windows'.*base/probes"):
        export(store, tmp_path, assets=["base/windows"])


def test_a_store_without_tables_is_told_and_nothing_is_written(store, tmp_path):
    empty = open_store(tmp_path / "nowhere")
    with pytest.raises(MissingInputError, match=r"nowhere/store holds no table\..*mitt run"):
        export(empty, tmp_path / "out")
    with pytest.raises(MissingInputError, match=r"holds no table of mitt/adapter\."):
        export(store, tmp_path / "out", assets=["mitt/adapter"])
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_a_folder_holds_one_export_and_what_is_the_users(store, tmp_path):
    export(store, tmp_path / "out")
    mine = tmp_path / "out/tables/base/probes/qwen2.5/mine.parquet"
    mine.write_bytes(b"mine")
    written = export(store, tmp_path / "out", assets=["base/probes"], format="csv")
    manifest = tmp_path / "out/manifest.json"
    files = {path for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert files == {*written, mine, manifest}
    assert list(json.loads(manifest.read_text())) == ["tables/base/probes/qwen2.5/tl.csv"]


@pytest.mark.parametrize(
    "text",
    ['{"name": "of a page"}', "[1]", "no JSON", '{"tables/../../mine.csv": {}}', '{"/a.csv": {}}'],
)
def test_a_manifest_of_something_else_is_left_alone(store, tmp_path, text):
    (tmp_path / "mine.csv").write_text("mine")
    manifest = tmp_path / "out/manifest.json"
    manifest.parent.mkdir()
    manifest.write_text(text)
    with pytest.raises(StorageError, match="not of an export"):
        export(store, tmp_path / "out")
    assert manifest.read_text() == text
    assert (tmp_path / "mine.csv").exists()
    assert list(manifest.parent.iterdir()) == [manifest]


def test_a_folder_that_cannot_be_written_is_told(store, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot write"):
        export(store, tmp_path / "file")


def test_an_empty_table_keeps_its_header(tmp_path):
    store = open_store(tmp_path / "home")
    commit(store, "problems", None, {"table.parquet": write_table(FRAME.clear())})
    [path] = export(store, tmp_path, format="csv")
    assert path.read_text().strip() == ",".join(FRAME.columns)


class TestLinks:
    def test_show_what_is_current(self, store, tmp_path):
        root = rebuild(store, tmp_path)
        assert_frame_equal(pl.read_parquet(root / "base/probes/qwen2.5/tl.parquet"), FRAME)
        assert (root / "mitt/adapter/llama/adapter.bin").read_bytes() == b"weights"
        assert (root / "reports/study/i.html").read_bytes() == b"<p>"
        assert all(path.is_symlink() for path in root.rglob("*") if path.is_file())

    def test_follow_a_new_commit_and_leave_nothing_else(self, store, tmp_path):
        rebuild(store, tmp_path / "tree")
        commit(store, "mitt/adapter", "llama", {"other.bin": b"new"})
        root = rebuild(store, tmp_path / "tree")
        assert [path.name for path in (root / "mitt/adapter/llama").iterdir()] == ["other.bin"]
        assert list((tmp_path / "tree").iterdir()) == [root]

    def test_move_with_the_home(self, store, tmp_path):
        rebuild(store, tmp_path / "home")
        (tmp_path / "home").rename(tmp_path / "moved")
        moved = tmp_path / "moved/tables/mitt/adapter/llama/adapter.bin"
        assert moved.read_bytes() == b"weights"

    def test_never_replace_a_file_of_the_user(self, store, tmp_path):
        root = rebuild(store, tmp_path)
        (root / "notes.txt").write_text("mine")
        with pytest.raises(StorageError, match=r"notes\.txt is a file of yours"):
            rebuild(store, tmp_path)
        assert (root / "notes.txt").read_text() == "mine"

    def test_of_a_remote_store_are_refused(self, tmp_path):
        store = Store(Storage("memory://links"), tmp_path / "cache")
        commit(store, "problems", None, {"table.parquet": b""})
        with pytest.raises(StorageError, match="no local file"):
            rebuild(store, tmp_path)
