import hashlib
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from polars.testing import assert_frame_equal
from polars.testing.parametric import column, dataframes

from mitt_assets.errors import DataError, IntegrityError, MissingInputError, StorageError
from mitt_assets.lineage.statement import Provenance
from mitt_assets.lineage.store import Store, open_store, write_table
from resources.storage import Storage

PROVENANCE = Provenance(
    asset="base/probes",
    partition="tl|llama",
    dependencies=(),
    study_slice={"stride": 32},
    code={"version": "v"},
    environment={"python": "3"},
    run_id="run-1",
    started="2026-01-01T00:00:00Z",
    ended="2026-01-01T00:00:09Z",
)
KEY = ("base/probes", "tl|llama")


@pytest.fixture
def store(tmp_path):
    return open_store(tmp_path / "home")


@pytest.fixture(params=["folder", "memory"])
def any_store(request, tmp_path):
    url = tmp_path / "home" if request.param == "folder" else f"memory://{uuid.uuid4()}"
    return Store(Storage(url), tmp_path / "cache")


def overwrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def test_a_commit_is_current_for_everybody(any_store, tmp_path):
    assert any_store.current(*KEY) is None
    made = any_store.commit(PROVENANCE, {"table.parquet": b"rows", "sub/notes.txt": b"notes"})
    other = Store(Storage(any_store.storage.url), tmp_path / "other")
    assert other.current(*KEY) == made
    assert other.records() == [made]
    assert other.read(made, "sub/notes.txt") == b"notes"
    assert other.statement_record(made.statement) == made


def test_equal_files_have_equal_content_under_any_statement(any_store):
    first = any_store.commit(PROVENANCE, {"table.parquet": b"rows"})
    second = any_store.commit(replace(PROVENANCE, run_id="run-2"), {"table.parquet": b"rows"})
    assert second.content == first.content
    assert second.statement != first.statement
    assert any_store.current(*KEY) == second
    assert len(list(any_store.storage.objects())) == 3


def test_another_process_sees_the_newer_commit(store, tmp_path):
    store.commit(PROVENANCE, {"table.parquet": b"old"})
    reader = open_store(tmp_path / "home")
    assert reader.read(reader.current(*KEY), "table.parquet") == b"old"
    store.commit(PROVENANCE, {"table.parquet": b"new"})
    assert reader.read(reader.current(*KEY), "table.parquet") == b"new"


def test_files_may_be_given_as_paths(store, tmp_path):
    source = tmp_path / "weights"
    source.write_bytes(b"weights")
    by_path = store.commit(PROVENANCE, {"w": source})
    assert by_path.content == store.commit(PROVENANCE, {"w": b"weights"}).content
    assert source.exists()


def test_history_keeps_every_commit_of_this_partition_only(any_store):
    made = [any_store.commit(PROVENANCE, {"t": bytes([n])}).statement for n in range(3)]
    any_store.commit(replace(PROVENANCE, asset="base/probes/tl|llama", partition=None), {"t": b""})
    commits = any_store.history(*KEY)
    assert [commit.statement for commit in commits] == made
    assert [commit.when for commit in commits] == sorted(commit.when for commit in commits)
    first = any_store.statement_record(made[0])
    assert any_store.read(first, "t") == b"\0"


def test_records_come_sorted(store):
    for partition in ("b", "a", None):
        store.commit(replace(PROVENANCE, partition=partition), {"t": b""})
    store.commit(replace(PROVENANCE, asset="a"), {"t": b""})
    found = [(record.asset, record.partition) for record in store.records()]
    assert found == [("a", "tl|llama"), *(("base/probes", p) for p in (None, "a", "b"))]


@pytest.mark.parametrize("name", ["", "../x", "/x", "a//b", "a/./b", "a\\b"])
def test_a_file_name_cannot_leave_the_folder(store, name):
    with pytest.raises(DataError, match="cannot name a file"):
        store.commit(PROVENANCE, {name: b""})


def test_a_file_that_is_not_there_is_told_with_those_that_are(store):
    made = store.commit(PROVENANCE, {"table.parquet": b""})
    with pytest.raises(MissingInputError, match=r"base/probes\[tl\|llama\] has no file x.*table"):
        store.read(made, "x")


@pytest.mark.parametrize("damaged", [b"", b"row", b"rowz"])
def test_damaged_data_are_told_by_partition_and_mended_by_a_commit(store, damaged):
    made = store.commit(PROVENANCE, {"table.parquet": b"rows"})
    overwrite(store.storage.local_path(made.files["table.parquet"]), damaged)
    for ask in (lambda: store.read(made, "table.parquet"), lambda: store.folder(made)):
        with pytest.raises(IntegrityError, match=r"table.parquet of base/probes\[tl\|llama\]"):
            ask()
    with pytest.raises(IntegrityError):
        store.verify(made)
    store.commit(PROVENANCE, {"table.parquet": b"rows"})
    store.verify(made)


def test_a_damaged_statement_is_told(store, tmp_path):
    made = store.commit(PROVENANCE, {"t": b""})
    overwrite(store.storage.local_path(made.statement), b"{}")
    with pytest.raises(IntegrityError, match=made.statement):
        open_store(tmp_path / "home").current(*KEY)


@pytest.mark.parametrize("damaged", [b"", b"{", b"[]", b'{"a":1}', b'{"statement":"x"}'])
def test_a_damaged_pointer_is_told_and_mended_by_a_commit(store, damaged):
    store.commit(PROVENANCE, {"t": b""})
    [pointer] = store.storage.pointers()
    store.storage.write_pointer(pointer, damaged)
    with pytest.raises(IntegrityError):
        store.current(*KEY)
    store.commit(PROVENANCE, {"t": b""})
    assert store.current(*KEY) is not None


def test_a_pointer_copied_to_another_partition_is_told(store):
    store.commit(PROVENANCE, {"t": b""})
    [pointer] = store.storage.pointers()
    data = store.storage.read_pointer(pointer)
    store.storage.write_pointer("refs/base/probes/de%7Cllama.json", data)
    with pytest.raises(IntegrityError, match=r"de\|llama.*leads to.*tl\|llama"):
        store.current("base/probes", "de|llama")


def test_roots_tell_content_from_making(store, tmp_path):
    store.commit(PROVENANCE, {"t": b"1"})
    store.commit(replace(PROVENANCE, partition=None), {"t": b"2"})
    other = open_store(tmp_path / "elsewhere")
    other.commit(replace(PROVENANCE, partition=None, run_id="other"), {"t": b"2"})
    other.commit(PROVENANCE, {"t": b"1"})
    assert store.content_root() == other.content_root()
    assert store.statement_root() != other.statement_root()
    assert store.content_root([KEY]) == other.content_root([KEY]) != store.content_root()
    assert store.content_root([KEY, ("base/probes", None)]) == store.content_root()
    other.commit(PROVENANCE, {"t": b"3"})
    assert store.content_root() != other.content_root()
    with pytest.raises(MissingInputError, match="never made"):
        store.content_root([("nothing", None)])


def test_a_thousand_partitions_are_read_quickly(store, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    for number in range(1000):
        made = store.commit(replace(PROVENANCE, partition=str(number)), {"t": b"same"})
        assert made.partition == str(number)
    fresh = open_store(tmp_path / "home")
    assert len(fresh.records()) == 1000
    started = time.perf_counter()
    assert all(fresh.current("base/probes", str(number)) for number in range(1000))
    assert time.perf_counter() - started < 1.0


class TestFolder:
    FILES = {"config.json": b"{}", "sub/model.bin": b"\0" * 5000}

    def test_holds_the_files(self, any_store):
        folder = any_store.folder(any_store.commit(PROVENANCE, self.FILES))
        found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
        assert found == set(self.FILES)
        assert all((folder / name).read_bytes() == data for name, data in self.FILES.items())

    @pytest.mark.parametrize("harm", ["alter", "remove", "add"])
    def test_is_made_anew_when_it_was_altered(self, store, harm):
        made = store.commit(PROVENANCE, self.FILES)
        target = store.folder(made) / "config.json"
        if harm == "alter":
            target.write_bytes(b"[]")
        elif harm == "remove":
            target.unlink()
        else:
            target.with_name("extra.json").write_bytes(b"")
        folder = store.folder(made)
        assert sorted(p.name for p in folder.rglob("*.*")) == ["config.json", "model.bin"]
        assert target.read_bytes() == b"{}"
        assert store.read(made, "config.json") == b"{}"
        assert [path.name for path in store.cache.iterdir()] == [made.content]

    def test_is_kept_when_it_is_good(self, store):
        made = store.commit(PROVENANCE, self.FILES)
        before = (store.folder(made) / "config.json").stat().st_ino
        assert (store.folder(made) / "config.json").stat().st_ino == before

    def test_that_cannot_be_written_is_told(self, tmp_path):
        (tmp_path / "cache").write_text("in the way")
        store = Store(Storage(tmp_path / "home"), tmp_path / "cache")
        made = store.commit(PROVENANCE, self.FILES)
        with pytest.raises(StorageError, match="cannot unpack"):
            store.folder(made)


class TestWriteTable:
    @given(
        dataframes(
            cols=[
                column("nested", dtype=pl.List(pl.List(pl.Float32)), allow_null=True),
                column("vector", dtype=pl.Array(pl.Float32, 3), allow_null=True),
                column("tokens", dtype=pl.List(pl.Int32), allow_null=True),
                column("text", dtype=pl.String, allow_null=True),
                column("digest", dtype=pl.Binary, allow_null=True),
                column("n", dtype=pl.Int64, allow_null=True),
                column("p", dtype=pl.Float64, allow_null=True),
                column("ok", dtype=pl.Boolean, allow_null=True),
            ],
            max_size=30,
        )
    )
    def test_equal_frames_give_equal_bytes_and_come_back(self, tmp_path_factory, frame):
        data = write_table(frame)
        store = open_store(tmp_path_factory.mktemp("home"))
        back = store.table(store.commit(PROVENANCE, {"table.parquet": data}))
        assert_frame_equal(back, frame, check_exact=True)
        assert back.schema == frame.schema
        assert write_table(back) == data
        turned = pl.int_range(pl.len()).reverse()
        twice = frame.select(pl.all().gather(turned)).select(pl.all().gather(turned))
        assert write_table(twice) == data

    def frame(self) -> pl.DataFrame:
        count = 4000
        return pl.DataFrame(
            {
                "id": range(count),
                "text": [f"text {n % 7}" if n % 11 else None for n in range(count)],
                "tokens": [[n] * (n % 4) if n % 5 else None for n in range(count)],
            },
            schema_overrides={"tokens": pl.List(pl.Int32)},
        )

    def test_how_a_frame_came_to_be_does_not_count(self):
        frame, data = self.frame(), write_table(self.frame())
        twice = pl.concat([frame, frame]).with_row_index("row")
        ways = {
            "chunks": pl.concat([frame[:1234], frame[1234:]], rechunk=False),
            "slice": pl.concat([frame[:77], frame, frame[:9]])[77 : 77 + len(frame)],
            "filter": twice.filter(pl.col("row") < len(frame)).drop("row"),
            "sorted flag": frame.with_columns(pl.col("id").set_sorted()),
        }
        assert {way: write_table(made) == data for way, made in ways.items()} == {
            way: True for way in ways
        }

    def test_chunks_do_not_count_in_a_frame_of_several_row_groups(self):
        frame = pl.DataFrame({"n": range(600_000)})
        chunks = pl.concat([frame[:1000], frame[1000:333_333], frame[333_333:]], rechunk=False)
        assert write_table(chunks) == write_table(frame)

    def test_another_process_with_other_threads_writes_the_same(self, tmp_path):
        script = textwrap.dedent("""
            import sys, hashlib
            from tests.unit.test_store import TestWriteTable, write_table
            print(hashlib.sha256(write_table(TestWriteTable().frame())).hexdigest())
        """)
        found = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "POLARS_MAX_THREADS": "1", "PYTHONHASHSEED": "7", "PYTHONPATH": "."},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        assert found == hashlib.sha256(write_table(self.frame())).hexdigest()

    def test_other_values_types_and_orders_give_other_bytes(self):
        base = pl.DataFrame({"a": [1, 2], "b": [None, 1.0]})
        others = [
            base.reverse(),
            base.select("b", "a"),
            base.cast({"a": pl.Int32}),
            base.with_columns(b=pl.lit(0.0)),
            base.clear(),
        ]
        assert len({write_table(frame) for frame in [base, *others]}) == 6

    def test_a_column_without_stable_bytes_is_refused(self):
        with pytest.raises(DataError, match="Column c is Categorical"):
            write_table(pl.DataFrame({"c": ["x"]}, schema={"c": pl.Categorical}))


WRITER = textwrap.dedent("""
    import os, signal, sys
    from dataclasses import replace
    from pathlib import Path
    from mitt_assets.lineage.statement import Provenance
    from mitt_assets.lineage.store import open_store

    home, name, count, fatal = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    steps = 0

    def counted(function):
        def step(*arguments, **options):
            global steps
            steps += 1
            if steps == fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)
        return step

    if fatal:
        for call in ("open", "fsync", "replace", "unlink", "utime", "mkdir"):
            setattr(os, call, counted(getattr(os, call)))
    provenance = Provenance(
        asset="base/probes", partition="tl|llama", dependencies=(), study_slice={}, code={},
        environment={}, run_id=name, started="", ended="",
    )
    store = open_store(home)
    for number in range(count):
        tag = f"{name}-{number}"
        files = {"a": tag.encode() * 1000, "b": tag.encode()}
        store.commit(replace(provenance, run_id=tag), files)
        print(tag, flush=True)
""")


def start_writer(home: Path, name: str, count: int, fatal: int = 0) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(home), name, str(count), str(fatal)],
        stdout=subprocess.PIPE,
        text=True,
    )


def whole_state(home: Path) -> str | None:
    """The tag of the current commit, after checking that every byte of it belongs to it."""
    store = open_store(home)
    record = store.current(*KEY)
    if record is None:
        return None
    store.verify(record)
    tag = store.read(record, "b").decode()
    assert store.read(record, "a") == tag.encode() * 1000
    assert record.run_id == tag
    return tag


def test_a_writer_killed_at_any_moment_leaves_the_old_or_the_new_state(tmp_path):
    seen = random.Random(0)
    for turn in range(12):
        writer = start_writer(tmp_path, f"turn{turn}", 10_000)
        printed = [writer.stdout.readline().strip()]
        time.sleep(seen.random() * 0.05)
        writer.send_signal(signal.SIGKILL)
        printed += writer.communicate()[0].split()
        last = int(printed[-1].partition("-")[2])
        assert whole_state(tmp_path) in (f"turn{turn}-{last}", f"turn{turn}-{last + 1}")


def test_a_writer_killed_at_every_single_step_leaves_the_old_or_the_new_state(tmp_path):
    open_store(tmp_path).commit(
        replace(PROVENANCE, run_id="old-0"), {"a": b"old-0" * 1000, "b": b"old-0"}
    )
    states = []
    for fatal in range(1, 200):
        home = tmp_path / str(fatal)
        subprocess.run(["cp", "-a", str(tmp_path / "store"), f"{home}-store"], check=True)
        home.mkdir()
        Path(f"{home}-store").rename(home / "store")
        writer = start_writer(home, "new", 1, fatal)
        writer.communicate()
        states.append(whole_state(home))
        if writer.returncode == 0:
            break
    assert writer.returncode == 0
    assert len(states) > 10
    assert states == sorted(states, reverse=True)
    assert set(states) == {"old-0", "new-0"}


def test_two_writers_at_once_both_finish_and_nothing_is_mixed(tmp_path):
    writers = [start_writer(tmp_path, name, 60) for name in ("one", "two")]
    for writer in writers:
        writer.communicate()
    assert [writer.returncode for writer in writers] == [0, 0]
    assert whole_state(tmp_path) in ("one-59", "two-59")
    store = open_store(tmp_path)
    commits = store.history(*KEY)
    assert len(commits) == 120
    assert len({store.statement_record(commit.statement).run_id for commit in commits}) == 120
    assert not [path for path in (tmp_path / "store" / "tmp").iterdir()]


def test_two_writers_of_the_same_bytes_do_not_disturb_each_other(tmp_path):
    writers = [start_writer(tmp_path, "same", 60) for _ in range(2)]
    for writer in writers:
        writer.communicate()
    assert [writer.returncode for writer in writers] == [0, 0]
    assert whole_state(tmp_path) == "same-59"
