import hashlib
import os
import resource
import uuid
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitt_assets.errors import IntegrityError, StorageError
from resources.storage import Storage, pointer_key, pointer_path
from tests.disks import make_read_only, small_disk_at

ABSENT = hashlib.sha256(b"never stored").hexdigest()
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
ASSETS = TEXT.filter(lambda text: not text.startswith("/") and not text.endswith("/")).filter(
    lambda text: "//" not in text
)


@pytest.fixture(params=["folder", "memory"])
def storage(request, tmp_path):
    return Storage(tmp_path / "home" if request.param == "folder" else f"memory://{uuid.uuid4()}")


@pytest.fixture
def folder(tmp_path):
    return Storage(tmp_path / "home")


def overwrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def files_below(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "data", [b"", b"x", os.urandom(3_000_000)], ids=["nothing", "a byte", "megabytes"]
)
def test_what_is_put_comes_back(storage, data):
    digest = storage.put(data)
    assert digest == hashlib.sha256(data).hexdigest()
    assert storage.get(digest) == data
    assert storage.has(digest)
    assert storage.size(digest) == len(data)
    assert list(storage.objects()) == [digest]
    storage.verify(digest)


def test_a_file_is_stored_as_its_bytes_are(storage, tmp_path):
    source = tmp_path / "weights"
    source.write_bytes(os.urandom(2_500_000))
    assert storage.put_file(source) == storage.put(source.read_bytes())
    assert len(list(storage.objects())) == 1


def test_putting_twice_keeps_one_object(storage):
    assert storage.put(b"same") == storage.put(b"same")
    assert len(list(storage.objects())) == 1


def test_an_absent_object_is_named_with_the_remedy(storage):
    assert not storage.has(ABSENT)
    for ask in (storage.get, storage.verify, storage.size):
        with pytest.raises(IntegrityError, match=f"(?s){ABSENT}.*absent.*mitt run --force"):
            ask(ABSENT)


@pytest.mark.parametrize("damaged", [b"", b"some byt", b"some Bytes", b"some bytes and more"])
def test_damage_is_told_and_repaired_by_putting_again(folder, damaged):
    digest = folder.put(b"some bytes")
    overwrite(folder.local_path(digest), damaged)
    found = hashlib.sha256(damaged).hexdigest()
    for ask in (folder.get, folder.verify):
        with pytest.raises(IntegrityError, match=f"(?s){digest}.*{len(damaged)} bytes.*{found}"):
            ask(digest)
    folder.put(b"some bytes")
    assert folder.get(digest) == b"some bytes"


def test_a_truncated_remote_object_is_told_and_repaired():
    url = f"memory://{uuid.uuid4()}"
    remote = Storage(url)
    digest = remote.put(b"some bytes")
    remote._files.write(f"objects/{digest[:2]}/{digest}", b"some")
    with pytest.raises(IntegrityError, match="found 4 bytes"):
        remote.get(digest)
    remote.put(b"some bytes")
    assert Storage(url).get(digest) == b"some bytes"


def test_objects_are_read_only_files(folder):
    path = folder.local_path(folder.put(b"x"))
    assert path.stat().st_mode & 0o222 == 0
    assert path.relative_to(Path(folder.url)).parts[0] == "objects"


def test_a_remote_store_has_no_local_files():
    remote = Storage(f"memory://{uuid.uuid4()}")
    assert remote.local_path(remote.put(b"x")) is None


def test_deleting_twice_is_no_error(storage):
    digest = storage.put(b"x")
    storage.delete(digest)
    storage.delete(digest)
    assert list(storage.objects()) == []


def test_pointers_hold_what_was_written_last(storage):
    assert storage.read_pointer("refs/a/b.json") is None
    assert storage.pointers() == []
    storage.write_pointer("refs/a/b.json", b"1")
    storage.write_pointer("refs/a/b.json", b"2")
    storage.write_pointer("verdicts/c", b"3")
    storage.put(b"object")
    storage.append_history("a/b", ABSENT)
    assert storage.read_pointer("refs/a/b.json") == b"2"
    assert storage.pointers() == ["refs/a/b.json", "verdicts/c"]
    assert storage.pointers("refs/a/") == ["refs/a/b.json"]
    assert storage.pointers("refs/z") == []
    storage.remove_pointer("verdicts/c")
    assert storage.pointers() == ["refs/a/b.json"]


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "../x", "refs/../../x", "a//b", "objects/x", "history/x", "tmp/x"]
)
def test_a_pointer_cannot_leave_its_place(storage, name):
    with pytest.raises(StorageError, match="cannot name a pointer"):
        storage.write_pointer(name, b"")


@pytest.mark.parametrize("digest", ["", "../../x", "A" * 64, "0" * 63])
def test_only_a_digest_names_an_object(storage, digest):
    with pytest.raises(IntegrityError, match="not a sha256"):
        storage.get(digest)


def test_history_grows_in_order(storage):
    digests = [hashlib.sha256(bytes([n])).hexdigest() for n in range(5)]
    for digest in digests:
        storage.append_history("a/b", digest)
    entries = storage.history("history/a/b")
    assert [entry.rpartition("-")[2] for entry in entries] == digests
    storage.remove_history(entries[0])
    assert storage.history() == entries[1:]


@given(ASSETS, st.none() | TEXT)
def test_a_path_gives_back_the_partition_it_was_made_of(asset, partition):
    path = pointer_path(asset, partition)
    assert pointer_key(path) == (asset, partition)
    assert set(path) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./%")
    assert not any(part.startswith(".") for part in path.split("/"))


@given(ASSETS, st.none() | TEXT, ASSETS, st.none() | TEXT)
def test_two_partitions_never_share_a_path(asset, partition, other_asset, other):
    same = (asset, partition) == (other_asset, other)
    assert (pointer_path(asset, partition) == pointer_path(other_asset, other)) == same


def test_paths_stay_readable():
    assert pointer_path("base/probes", "tl|qwen2.5-7b") == "base/probes/tl%7Cqwen2.5-7b"
    assert pointer_path("reports/scaling", None) == "reports/scaling/_"
    assert pointer_path("a", "_") == "a/%5F"
    assert pointer_path("a", "..") == "a/%2E."


def test_an_empty_partition_name_is_refused():
    with pytest.raises(StorageError, match="empty name"):
        pointer_path("a", "")


def test_an_unknown_scheme_is_told():
    with pytest.raises(StorageError, match="nosuch://bucket"):
        Storage("nosuch://bucket")


def test_reading_an_absent_home_creates_nothing(tmp_path):
    empty = Storage(tmp_path / "home")
    assert not empty.has(ABSENT)
    assert list(empty.objects()) == []
    assert empty.pointers() == []
    assert empty.history() == []
    assert not (tmp_path / "home").exists()


def test_a_file_url_is_a_folder(tmp_path):
    digest = Storage(f"file://{tmp_path}/home").put(b"x")
    assert Storage(tmp_path / "home").get(digest) == b"x"


def test_a_home_below_a_file_is_told(tmp_path):
    (tmp_path / "file").write_text("in the way")
    blocked = Storage(tmp_path / "file" / "home")
    attempts = (
        lambda: blocked.put(b"x"),
        lambda: blocked.get(ABSENT),
        lambda: blocked.write_pointer("refs/a", b""),
        lambda: blocked.read_pointer("refs/a"),
    )
    for attempt in attempts:
        with pytest.raises(StorageError, match=f"(?s){tmp_path}/file/home.*MITT_HOME"):
            attempt()


@pytest.fixture
def small_disk(tmp_path):
    with small_disk_at(tmp_path / "disk", 512) as disk:
        yield disk


def test_a_full_disk_is_told_and_leaves_nothing(small_disk, tmp_path):
    full = Storage(small_disk)
    kept = full.put(b"k" * 1000)
    before = files_below(small_disk)
    big = tmp_path / "big"
    big.write_bytes(os.urandom(1_000_000))
    for attempt in (lambda: full.put(big.read_bytes()), lambda: full.put_file(big)):
        with pytest.raises(StorageError, match="(?s)No space left.*Free space"):
            attempt()
        assert files_below(small_disk) == before
    assert full.get(kept) == b"k" * 1000


def test_a_read_only_disk_is_told_and_can_be_read(small_disk):
    fixed = Storage(small_disk)
    digest = fixed.put(b"x")
    make_read_only(small_disk)
    for attempt in (lambda: fixed.put(b"y"), lambda: fixed.write_pointer("refs/a", b"")):
        with pytest.raises(StorageError, match="(?s)Read-only.*writable"):
            attempt()
    assert fixed.get(digest) == b"x"


def _put_beyond_limit(home: Path, answer) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
    try:
        Storage(home).put(b"x" * 20_000)
    except StorageError as error:
        answer.send(str(error))
    else:
        answer.send("no error")


def test_a_file_beyond_the_limit_is_told_and_leaves_nothing(tmp_path):
    here, there = get_context("spawn").Pipe()
    child = get_context("spawn").Process(target=_put_beyond_limit, args=(tmp_path / "home", there))
    child.start()
    message = here.recv()
    child.join()
    assert "File too large" in message
    assert "ulimit -f" in message
    assert files_below(tmp_path / "home") == []


def test_leftovers_of_a_killed_writer_are_removed_when_old(folder):
    folder.put(b"x")
    left = Path(folder.url) / "tmp" / ".1-dead.part"
    left.write_bytes(b"half")
    assert folder.remove_leftovers(older_than=3600) == 0
    os.utime(left, (0, 0))
    assert folder.remove_leftovers(older_than=3600) == 1
    assert not left.exists()
