"""Model files: found where the study says, identified by their bytes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from mitt_assets.errors import ModelError
from mitt_assets.study import Model
from resources.models import digests, locate, resolve


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
