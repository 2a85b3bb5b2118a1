"""Repositories of the hub: nothing is asked about what is here; refusals come with the remedy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mitt_assets.errors import DataError, ModelError
from resources import hub
from tests.fakes.hub import COMMIT, FakeHub, fake_hub, use_hub

PATTERNS = ("*.json", "*.jsonl")


@pytest.fixture(scope="module")
def _served() -> Iterator[FakeHub]:
    with fake_hub() as served:
        yield served


@pytest.fixture
def served(_served: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    """One data set and one model of the same id, a cache of its own, and no request yet."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "a.jsonl").write_text('{"a": 1}\n', encoding="utf-8")
    (folder / "config.json").write_text("{}", encoding="utf-8")
    (folder / "script.py").write_text("raise SystemExit", encoding="utf-8")
    _served.repositories.clear()
    _served.gated.clear()
    _served.cut.clear()
    _served.repositories.update({("model", "a/b"): folder, ("dataset", "a/b"): folder})
    use_hub(monkeypatch, tmp_path / "cache", _served.address)
    _served.requests.clear()
    return _served


def had(kind: hub.Kind = "dataset", source: str = "a/b", revision: str | None = COMMIT) -> Path:
    return hub.snapshot(kind, source, revision, place="here", patterns=PATTERNS)


def test_a_pinned_repository_is_fetched_once_and_then_nothing_is_asked(
    served: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = had()
    assert folder.name == COMMIT
    assert sorted(path.name for path in folder.iterdir()) == ["a.jsonl", "config.json"]
    assert served.requests
    served.requests.clear()
    assert had() == folder
    assert served.requests == []
    use_hub(monkeypatch, tmp_path / "cache", None)
    assert had() == folder


def test_an_unpinned_repository_is_at_the_hubs_commit_and_offline_at_the_last_one(
    served: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert had(revision=None).name == COMMIT
    served.requests.clear()
    assert had(revision=None).name == COMMIT
    assert served.requests, "a branch may move, so the hub is asked"
    use_hub(monkeypatch, tmp_path / "cache", None)
    assert had(revision=None).name == COMMIT


def test_another_revision_in_the_cache_is_not_the_pinned_one(
    served: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    had()
    use_hub(monkeypatch, tmp_path / "cache", None)
    with pytest.raises(DataError, match=r"a/b@fff.*not whole in the local cache.*HF_HUB_OFFLINE"):
        had(revision="f" * 40)


def test_datasets_own_switch_keeps_data_sets_off_the_network(
    served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    with pytest.raises(DataError, match=r"HF_DATASETS_OFFLINE.*hf download a/b --repo-type data"):
        had()
    assert served.requests == []
    assert had("model").name == COMMIT


def test_a_file_that_is_gone_from_the_cache_is_fetched_again(
    served: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (had() / "a.jsonl").unlink()
    use_hub(monkeypatch, tmp_path / "cache", None)
    with pytest.raises(DataError, match="not whole in the local cache"):
        had()
    use_hub(monkeypatch, tmp_path / "cache", served.address)
    assert (had() / "a.jsonl").is_file()


@pytest.mark.parametrize(
    ("kind", "source", "revision", "words"),
    [
        ("model", "a/gated", COMMIT, ["here", "a/gated", "is gated", "hf auth login", "HF_TOKEN"]),
        ("dataset", "a/gated", None, ["huggingface.co/datasets/a/gated", "accept its terms"]),
        ("model", "a/none", COMMIT, ["a/none", "does not exist, or not for you"]),
        ("dataset", "a/b", "e" * 40, ["no such revision", "mitt study pin"]),
        ("dataset", "a/b", "branch", ["a/b@branch", "no such revision"]),
        ("model", "a/b c", None, ["a/b c", "no id of the hub", "write owner/name"]),
    ],
)
def test_what_the_hub_refuses_is_said_with_the_remedy(
    served: FakeHub, kind: hub.Kind, source: str, revision: str | None, words: list[str]
) -> None:
    served.gated.add("a/gated")
    with pytest.raises(ModelError if kind == "model" else DataError) as caught:
        had(kind, source, revision)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_hub_that_cannot_be_reached_is_said(
    served: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_hub(monkeypatch, tmp_path / "cache", "http://127.0.0.1:1")
    with pytest.raises(ModelError, match="cannot be reached.*hf download a/b --revision 0123"):
        had("model")


def test_a_download_that_breaks_off_is_said_and_goes_on_next_time(served: FakeHub) -> None:
    served.cut["a.jsonl"] = 3
    with pytest.raises(DataError, match="not given by the hub .*what was fetched is kept"):
        had()
    served.cut.clear()
    assert (had() / "a.jsonl").read_text(encoding="utf-8") == '{"a": 1}\n'


def test_the_commit_of_a_branch_is_what_the_hub_says(served: FakeHub) -> None:
    assert hub.commit_of("model", "a/b", None, "here") == COMMIT
    with pytest.raises(ModelError, match="does not exist"):
        hub.commit_of("model", "a/none", None, "here")


@pytest.mark.parametrize(
    ("source", "repository"),
    [
        ("a/b", True),
        ("a", False),
        ("./a/b", False),
        ("a/b/c", False),
        ("~/b", False),
        ("a/b.jsonl", False),
    ],
)
def test_what_is_written_as_an_id(source: str, repository: bool) -> None:
    assert hub.is_repository(source) is repository


def test_a_folder_of_that_name_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert not hub.is_repository("a/b")


def test_a_file_of_that_name_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert not hub.is_repository("a/b")
