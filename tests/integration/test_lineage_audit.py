"""Tampering is found and located, or shown by a signature; a sound study is clean."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mitt_assets.home import open_maker
from mitt_assets.lineage import signing
from mitt_assets.lineage.audit import Audit, audit
from mitt_assets.lineage.findings import KINDS
from mitt_assets.lineage.statement import Record
from mitt_assets.materialise import Maker
from mitt_assets.study_knowledge import MakersKnowledge
from tests.commandline import invoke, mitt
from tests.tampering.catalogue import CATALOGUE, OF_SIGNATURES, Tampering
from tests.tampering.ground import Ground, age


class WithoutNumbers(MakersKnowledge):
    """Makes no report again: a second per audit that most tests can do without."""

    def numbers(self, record: Record) -> list[str]:
        return []


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A private key's file and its public one."""
    return signing.generate(tmp_path_factory.mktemp("key") / "me.pem")


@pytest.fixture
def ground(finished: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    """The finished study in a home of the test's own."""
    monkeypatch.setenv("MITT_HOME", str(tmp_path / "copy"))
    maker = open_maker(str(finished[1]))
    keys = tuple(maker.graph.all_partitions)
    return Ground.copy(finished[0] / "mini", tmp_path / "copy" / "mini", keys)


@pytest.fixture
def audited(
    finished: tuple[Path, Path], ground: Ground, key: tuple[Path, Path]
) -> Callable[..., Audit]:
    """Audits the ground as a new process would."""

    def run(signed: bool = False, numbers: bool = True) -> Audit:
        maker = open_maker(str(finished[1]))
        public = signing.public_key(key[1]) if signed else None
        knowledge = MakersKnowledge(maker) if numbers else WithoutNumbers(maker)
        return audit(ground.home, knowledge, public)

    return run


def sign(ground: Ground, key: tuple[Path, Path]) -> str:
    return signing.sign(ground.store, signing.private_key(key[0]))


def told(found: Audit) -> str:
    return "\n".join(f"{one.kind} {one.place}: {one.found}" for one in found.findings)


def names(found: Audit, tampering: Tampering) -> bool:
    return any(
        one.kind == tampering.kind and tampering.place in one.place and one.found and one.remedy
        for one in found.findings
    )


def test_a_sound_study_is_clean_and_so_it_is_when_signed(
    finished: tuple[Path, Path],
    ground: Ground,
    audited: Callable[..., Audit],
    key: tuple[Path, Path],
) -> None:
    found = audited()
    assert told(found) == ""
    maker: Maker = open_maker(str(finished[1]))
    assert found.content_root == maker.store.content_root()
    assert found.statement_root == maker.store.statement_root()
    assert found.counts["partitions"] == len(maker.graph.all_partitions)
    sign(ground, key)
    assert told(audited(signed=True)) == ""


@pytest.mark.parametrize("tampering", CATALOGUE, ids=lambda one: one.name)
def test_tampering_is_found_and_located(
    tampering: Tampering, ground: Ground, audited: Callable[..., Audit], key: tuple[Path, Path]
) -> None:
    if tampering.signed:
        sign(ground, key)
    tampering.edit(ground)
    found = audited(tampering.signed, numbers=tampering.kind == "number")
    assert names(found, tampering), told(found)
    assert all(one.kind in KINDS for one in found.findings)
    if tampering.signed:
        assert told(audited()) == "", "this is found without a signature: say so"


@pytest.mark.parametrize("tampering", OF_SIGNATURES, ids=lambda one: one.name)
def test_a_changed_signature_is_found(
    tampering: Tampering, ground: Ground, audited: Callable[..., Audit], key: tuple[Path, Path]
) -> None:
    sign(ground, key)
    tampering.edit(ground)
    found = audited(signed=True, numbers=False)
    assert names(found, tampering), told(found)


def test_another_key_has_signed_nothing(
    ground: Ground, finished: tuple[Path, Path], key: tuple[Path, Path], tmp_path: Path
) -> None:
    sign(ground, key)
    _, other = signing.generate(tmp_path / "other.pem")
    knowledge = MakersKnowledge(open_maker(str(finished[1])))
    found = audit(ground.home, knowledge, signing.public_key(other))
    assert [one.kind for one in found.findings] == ["unsigned"]


def test_a_changed_model_file_is_found(
    ground: Ground,
    audited: Callable[..., Audit],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mitt_assets import organism

    folder = tmp_path / "llama"
    shutil.copytree(organism.checkpoint_path("llama"), folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    monkeypatch.setattr(organism, "checkpoint_path", lambda name: folder)
    (finding,) = audited().findings
    assert (finding.kind, finding.place) == ("tampered", "base_model[llama]")
    assert "model.safetensors" in finding.found


def test_what_a_writer_may_be_about_to_name_is_only_counted(
    ground: Ground, audited: Callable[..., Audit]
) -> None:
    before = audited().counts["being written"]
    digest = ground.put(b"written a moment ago")
    found = audited()
    assert (told(found), found.counts["being written"]) == ("", before + 1)
    age(ground.object(digest))
    assert [one.kind for one in audited().findings] == ["unrecorded"]


def test_a_signed_state_outlives_garbage_collection(
    ground: Ground, audited: Callable[..., Audit], key: tuple[Path, Path]
) -> None:
    from mitt_assets.lineage import gc

    name = sign(ground, key)
    was = ground.record("reports/study")
    ground.store.commit(was, {"report.html": b"another"})
    gc.collect(gc.plan(ground.store, min_age_s=-1))
    signed = signing.read_state(ground.store.storage, name)
    for content, statement in signed.partitions.values():
        record = ground.store.statement_record(statement)
        assert record.content == content
        ground.store.verify(record)
    unsigned = [one.place for one in audited(signed=True).findings if one.kind == "unsigned"]
    assert unsigned == ["reports/study"]


def test_the_commands(
    ground: Ground, finished: tuple[Path, Path], key: tuple[Path, Path], tmp_path: Path
) -> None:
    study = ("--study", str(finished[1]))
    mitt("lineage", "sign", *study, "--key", str(key[0]))
    assert "was signed" in mitt("lineage", "audit", *study, "--key", str(key[1]))
    ground.table(ground.record("base/probes", "de|llama")).unlink()
    said = invoke("lineage", "audit", *study, "--json")
    assert said.exit_code == 1
    plain = json.loads(said.output)
    assert {one["severity"] for one in plain["findings"]} >= {"integrity"}
    assert len(plain["content_root"]) == 64
    assert invoke("lineage", "audit", *study).exit_code == 1
    refused = invoke("lineage", "sign", *study, "--key", str(key[0]))
    assert refused.exit_code == 1
    assert "Nothing was signed" in refused.output
    assert invoke("lineage", "audit", *study, "--key", str(tmp_path / "no.pem")).exit_code == 2
    shutil.rmtree(ground.home)
    assert invoke("lineage", "audit", *study).exit_code == 2
