"""Model files: found where the study says, identified by their bytes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mitt_assets.errors import ModelError
from mitt_assets.study import Model
from resources import weights as stored
from resources.models import digests, here, locate, resolve
from tests.fakes.hub import COMMIT, FakeHub, fake_hub, use_hub
from tests.fakes.paper_models import paper_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    (made / "1_Pooling").mkdir(parents=True)
    (made / ".cache").mkdir()
    for name in ("config.json", "model.safetensors", "1_Pooling/config.json", "merges.txt"):
        (made / name).write_text(name, encoding="utf-8")
    for name in ("README.md", "pytorch_model.bin", ".cache/kept.json"):
        (made / name).write_text(name, encoding="utf-8")
    return made


def test_a_folder_is_resolved_with_the_digest_of_each_file_that_counts(
    folder: Path, tmp_path: Path
) -> None:
    files = resolve("mine", Model(source=str(folder), dtype="bfloat16"), tmp_path / "cache")
    assert (files.slug, files.source, files.dtype) == ("mine", str(folder), "bfloat16")
    assert files.folder == folder.resolve()
    names = {"config.json", "model.safetensors", "1_Pooling/config.json", "merges.txt"}
    assert files.files == {n: hashlib.sha256(n.encode()).hexdigest() for n in names}


def test_a_digest_is_kept_until_the_file_changes(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    before = digests(folder, cache)
    path = folder / "config.json"
    status = path.stat()
    path.write_text("config.jsom", encoding="utf-8")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert digests(folder, cache) == before, "same path, size and time: not read again"
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    after = digests(folder, cache)
    assert after["config.json"] == hashlib.sha256(b"config.jsom").hexdigest()
    assert digests(folder, None) == after


def test_a_cache_cut_short_is_made_again(folder: Path, tmp_path: Path) -> None:
    before = digests(folder, tmp_path)
    (tmp_path / "file_digests.json").write_text('{"a": ', encoding="utf-8")
    assert digests(folder, tmp_path) == before


def test_a_path_that_is_not_there_is_named_with_its_study_key() -> None:
    with pytest.raises(ModelError, match=r"models\.x\.source: '\./gone' is no folder"):
        locate("./gone", None, "models.x.source")


def test_an_unknown_embedded_checkpoint_is_named() -> None:
    with pytest.raises(ModelError, match="gone"):
        locate("organism:gone", None, "models.x.source")


def test_without_the_hub_a_model_that_was_never_fetched_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(
        ModelError, match=r"nobody/nothing@abc .*HF_HUB_OFFLINE is set.*hf download"
    ):
        locate("nobody/nothing", "abc", "models.x.source")


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paper_model(tmp_path_factory.mktemp("paper") / "model").folder


@pytest.fixture
def hub(paper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub on loopback that has the model as a/model."""
    with fake_hub() as served:
        served.repositories[("model", "a/model")] = paper
        use_hub(monkeypatch, tmp_path / "hub", served.address)
        yield served


def test_a_pinned_model_is_fetched_whole_and_then_nothing_is_asked(
    hub: FakeHub, paper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model(source="a/model", revision=COMMIT)
    files = resolve("one", model, tmp_path / "cache")
    assert files.files == digests(paper, None)
    assert files.folder.name == COMMIT
    hub.requests.clear()
    assert resolve("one", model, tmp_path / "cache") == files
    use_hub(monkeypatch, tmp_path / "hub", None)
    assert resolve("one", model, tmp_path / "cache") == files
    assert hub.requests == []


def test_half_a_download_is_completed_or_refused_offline(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model(source="a/model", revision=COMMIT)
    folder = resolve("one", model, tmp_path / "cache").folder
    shard = next(folder.glob("*.safetensors"))
    whole = shard.read_bytes()
    shard.resolve().write_bytes(whole[:-7])
    use_hub(monkeypatch, tmp_path / "hub", None)
    assert here("a/model", COMMIT, "models.one.source") is None
    with pytest.raises(
        ModelError, match=rf"lacks {shard.name} \([\d,]+ of [\d,]+ bytes\).*hf downl"
    ):
        resolve("one", model, tmp_path / "cache")
    shard.unlink()
    use_hub(monkeypatch, tmp_path / "hub", hub.address)
    assert here("a/model", COMMIT, "models.one.source") is None
    resolve("one", model, tmp_path / "cache")
    assert shard.is_file()


def test_a_served_models_weights_are_not_fetched(hub: FakeHub, tmp_path: Path) -> None:
    model = Model(source="a/model", revision=COMMIT)
    files = resolve("one", model, tmp_path / "cache", weights=False)
    assert {"tokenizer.json", "config.json"} <= set(files.files)
    assert not any(".safetensors" in path for path in (*hub.requests, *files.files))
    assert ".safetensors" in str(list(resolve("one", model, tmp_path / "cache").files))


def test_an_encoders_weights_may_lie_in_its_modules_folders(tmp_path: Path, paper: Path) -> None:
    (tmp_path / "0_Embedding").mkdir()
    shard = next(paper.glob("*.safetensors"))
    copied = tmp_path / "0_Embedding" / "model.safetensors"
    copied.write_bytes(shard.read_bytes())
    assert stored.lacking(tmp_path) == []
    copied.write_bytes(shard.read_bytes()[:-1])
    assert "0_Embedding/model.safetensors" in stored.lacking(tmp_path)[0]
