import os
import time
import uuid
from pathlib import Path

import pytest

from mitt_assets.errors import IntegrityError
from mitt_assets.lineage import gc
from mitt_assets.lineage.statement import Provenance
from mitt_assets.lineage.store import Store, open_store
from resources.storage import Storage


@pytest.fixture
def store(tmp_path):
    return open_store(tmp_path / "home")


def commit(store: Store, asset: str, data: bytes, run_id: str = "r", inputs=()):
    provenance = Provenance(
        asset=asset,
        partition=None,
        dependencies=tuple(record.dependency() for record in inputs),
        study_slice={},
        code={},
        environment={},
        run_id=run_id,
        started="",
        ended="",
    )
    return store.commit(provenance, {"table.parquet": data})


def planned(plan: gc.GcPlan) -> set[str]:
    return {name for name, _ in plan.objects}


def collect_all(store: Store, **options) -> int:
    return gc.collect(gc.plan(store, min_age_s=-1, **options))


def test_what_is_current_stays(store):
    made = commit(store, "a", b"current")
    plan = gc.plan(store, min_age_s=-1)
    assert (plan.objects, plan.history, plan.size) == ((), (), 0)
    store.verify(made)


def test_what_was_replaced_goes_with_its_history(store):
    old = commit(store, "a", b"old bytes")
    new = commit(store, "a", b"new")
    plan = gc.plan(store, min_age_s=-1)
    assert planned(plan) == {old.statement, old.files["table.parquet"]}
    assert [entry.rpartition("-")[2] for entry in plan.history] == [old.statement]
    assert plan.broken() == {"a": 1}
    assert gc.collect(plan) == plan.size == sum(size for _, size in plan.objects)
    assert "2 objects" in plan.sentence()
    store.verify(new)
    assert [entry.statement for entry in store.history("a", None)] == [new.statement]
    assert gc.plan(store, min_age_s=-1).objects == ()


def test_history_is_kept_when_asked(store):
    old = commit(store, "a", b"old")
    commit(store, "a", b"new")
    assert collect_all(store, keep_history=True) == 0
    store.verify(old)
    assert len(store.history("a", None)) == 2


def test_bytes_shared_with_a_current_partition_stay(store):
    commit(store, "a", b"shared")
    other = commit(store, "b", b"shared")
    commit(store, "a", b"new")
    collect_all(store)
    store.verify(other)


def test_what_a_current_number_was_made_of_stays(store):
    first = commit(store, "rows", b"rows 1")
    middle = commit(store, "middle", b"middle 1", inputs=[first])
    report = commit(store, "report", b"report", inputs=[middle])
    commit(store, "rows", b"rows 2")
    commit(store, "middle", b"middle 2")
    collect_all(store)
    for record in (first, middle, report):
        store.verify(store.statement_record(record.statement))


def test_whatever_another_pointer_names_stays(store):
    note = store.storage.put(b"a note")
    store.storage.write_pointer("notes/x.json", f'{{"note":"{note}"}}'.encode())
    stray = store.storage.put(b"a stray")
    assert planned(gc.plan(store, min_age_s=-1)) == {stray}


def test_a_verdict_goes_with_the_content_it_is_about(store):
    old, current = commit(store, "a", b"old"), commit(store, "a", b"new")
    pointers = []
    for record in (old, current):
        verdict = store.storage.put(f"a verdict on {record.content}".encode())
        pointers.append(f"verdicts/{record.content[:2]}/{record.content}-{'0' * 64}.json")
        store.storage.write_pointer(pointers[-1], f'{{"verdict":"{verdict}"}}'.encode())
    plan = gc.plan(store, min_age_s=-1)
    assert plan.pointers == (pointers[0],)
    gc.collect(plan)
    assert store.storage.pointers("verdicts/") == [pointers[1]]
    assert gc.plan(store, min_age_s=-1).objects == ()


def test_young_objects_stay_for_their_writer(store):
    store.storage.put(b"young")
    old = store.storage.put(b"old")
    os.utime(store.storage.local_path(old), (0, time.time() - 4000))
    assert planned(gc.plan(store)) == {old}


def test_an_old_object_that_a_writer_needs_again_stays(store):
    old = store.storage.put(b"old")
    os.utime(store.storage.local_path(old), (0, 0))
    plan = gc.plan(store)
    assert planned(plan) == {old}
    store.storage.put(b"old")
    assert gc.collect(plan) == 0
    assert store.storage.get(old) == b"old"


def test_what_a_fresh_commit_was_made_of_stays_though_it_is_old(store):
    first = commit(store, "rows", b"rows 1")
    commit(store, "report", b"report", "1", inputs=[first])
    commit(store, "report", b"report", "2")
    commit(store, "rows", b"rows 2")
    for digest in store.storage.objects():
        os.utime(store.storage.local_path(digest), (0, 0))
    assert gc.plan(store).objects == ()


def test_leftovers_of_a_killed_writer_go(store):
    commit(store, "a", b"x")
    left = Path(store.storage.url) / "tmp/.1-dead.part"
    left.write_bytes(b"half")
    os.utime(left, (0, 0))
    gc.collect(gc.plan(store))
    assert not left.exists()


def test_nothing_goes_while_a_needed_statement_is_damaged(store):
    made = commit(store, "a", b"x")
    path = store.storage.local_path(made.statement)
    path.chmod(0o644)
    path.write_bytes(b"")
    with pytest.raises(IntegrityError, match=made.statement):
        gc.plan(store, min_age_s=-1)


def test_damaged_data_do_not_stand_in_the_way(store):
    made = commit(store, "a", b"x")
    path = store.storage.local_path(made.files["table.parquet"])
    path.chmod(0o644)
    path.write_bytes(b"")
    assert gc.plan(store, min_age_s=-1).objects == ()


def test_a_remote_store_is_collected_too(tmp_path):
    store = Store(Storage(f"memory://{uuid.uuid4()}"), tmp_path)
    old = commit(store, "a", b"old")
    new = commit(store, "a", b"new")
    collect_all(store)
    store.verify(new)
    assert not store.storage.has(old.statement)
