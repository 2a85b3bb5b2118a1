import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mitt_assets.errors import StorageError, TransientError
from resources.shards import ShardStore

WORK = "ab" * 32


@pytest.fixture
def shards(tmp_path):
    return ShardStore(tmp_path / "work", WORK)


def shard_file(shards: ShardStore, index: int) -> Path:
    [path] = shards._folder.glob(f"*{index}.shard")
    return path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.integers(0, 10**7))
def test_what_is_saved_is_loaded(shards, data, index):
    shards.save(index, data)
    assert shards.load(index) == data


def test_nothing_is_finished_at_first(shards, tmp_path):
    assert shards.load(0) is None
    assert shards.finished(3) == []
    assert not (tmp_path / "work").exists()


def test_finished_shards_survive_the_process(shards, tmp_path):
    shards.save(2, b"two")
    shards.save(0, b"zero")
    again = ShardStore(tmp_path / "work", WORK)
    assert again.finished(4) == [0, 2]
    assert again.finished(2) == [0]


def test_other_work_does_not_see_them(shards, tmp_path):
    shards.save(0, b"zero")
    assert ShardStore(tmp_path / "work", "cd" * 32).load(0) is None


@pytest.mark.parametrize("damaged", [lambda b: b[:-1], lambda b: b"", lambda b: b[:-1] + b"?"])
def test_a_damaged_shard_is_discarded_and_told(shards, damaged, caplog):
    shards.save(0, b"some bytes")
    path = shard_file(shards, 0)
    path.write_bytes(damaged(path.read_bytes()))
    with caplog.at_level(logging.WARNING):
        assert shards.load(0) is None
    assert str(path) in caplog.text
    assert not path.exists()
    assert shards.finished(1) == []


def test_discarding_leaves_nothing(shards, tmp_path):
    with shards.lock():
        shards.save(0, b"zero")
        shards.discard()
    assert list((tmp_path / "work").iterdir()) == []
    shards.discard()


@pytest.mark.parametrize("name", ["", "../../etc", "a/b", "short"])
def test_only_a_digest_names_work(tmp_path, name):
    with pytest.raises(StorageError, match="no digest"):
        ShardStore(tmp_path, name)


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("in the way")
    blocked = ShardStore(tmp_path / "file", WORK)
    with pytest.raises(StorageError, match="cannot write shard 0"):
        blocked.save(0, b"")
    with pytest.raises(StorageError, match="cannot lock"), blocked.lock():
        pass


HOLD = textwrap.dedent("""
    import sys, time, os
    from pathlib import Path
    from resources.shards import ShardStore
    shards = ShardStore(Path(sys.argv[1]), sys.argv[2])
    with shards.lock():
        shards.save(0, b"zero")
        if "fork" in sys.argv and os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        print("locked", flush=True)
        time.sleep(60)
""")


def start_holder(root: Path, *more: str) -> subprocess.Popen:
    command = [sys.executable, "-c", HOLD, str(root), WORK, *more]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert holder.stdout.readline() == "locked\n"
    return holder


@pytest.mark.parametrize("more", [[], ["fork"]])
def test_the_lock_names_its_holder_and_ends_with_it(shards, tmp_path, more):
    holder = start_holder(tmp_path / "work", *more)
    try:
        with pytest.raises(TransientError, match=f"held by process {holder.pid} on"), shards.lock():
            pass
        assert shards.load(0) == b"zero"
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        with shards.lock():
            assert shards.finished(2) == [0]
    finally:
        os.killpg(holder.pid, signal.SIGKILL) if more else holder.kill()


def test_two_threads_do_not_share_the_lock(shards, tmp_path):
    found = []

    def second():
        try:
            with ShardStore(tmp_path / "work", WORK).lock():
                found.append("locked")
        except TransientError as error:
            found.append(str(error))

    with shards.lock():
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert f"held by this process ({os.getpid()})" in found[0]
    with shards.lock():
        pass


def test_the_lock_is_released_by_an_error(shards):
    with pytest.raises(ZeroDivisionError), shards.lock():
        _ = 1 / 0
    with shards.lock():
        pass


def _count_up(root: Path, turns: int) -> None:
    """Add 1 to a file under the lock, `turns` times; a lost lock loses counts."""
    shards, counter, done = ShardStore(root, WORK), root / "counter", 0
    while done < turns:
        try:
            with shards.lock():
                value = int(counter.read_text())
                counter.write_text(str(value + 1))
                done += 1
        except TransientError:
            time.sleep(0.001)


def test_many_processes_take_turns(tmp_path):
    root = tmp_path / "work"
    root.mkdir()
    (root / "counter").write_text("0")
    context = get_context("spawn")
    workers = [context.Process(target=_count_up, args=(root, 100)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert (root / "counter").read_text() == "300"
