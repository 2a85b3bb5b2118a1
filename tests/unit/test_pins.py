"""Pins: what a study names without a commit, and commits written into its file."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mitt_assets import pins
from mitt_assets.errors import ModelError, StudyError
from mitt_assets.study_file import load_study
from tests.commandline import invoke, mitt
from tests.fakes.hub import COMMIT, fake_hub, use_hub

OTHER = "f" * 40
STUDY = """\
# A comment that stays.
name: mine
languages:
  en: {name: English, level: high, wait: Wait}
models:
  block:
    source: a/block   # stays too
    dtype: bfloat16
  flow: {source: "a/flow", dtype: bfloat16}
  branch: {source: a/branch, revision: main}
  done:
    source: a/done
    revision: ffffffffffffffffffffffffffffffffffffffff
  here: {source: "organism:llama"}
problems:
  source: a/set
  training: {source: a/more, columns: {question: q, answer: null}}
encoder: {source: organism}
variants: {base: {}}
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(STUDY, encoding="utf-8")
    return path


def test_repositories_without_a_commit_are_named(study: Path) -> None:
    loaded = load_study(study)
    assert [(one.key, one.kind, one.source) for one in pins.unpinned(loaded)] == [
        ("models.block", "model", "a/block"),
        ("models.flow", "model", "a/flow"),
        ("models.branch", "model", "a/branch"),
        ("problems", "dataset", "a/set"),
        ("problems.training", "dataset", "a/more"),
    ]
    assert "models.done" in [one.key for one in pins.repositories(loaded)]


def test_a_file_of_problems_in_a_folder_is_no_repository(study: Path) -> None:
    text = STUDY.replace("source: a/set", "source: a/set.jsonl").replace("a/more", "a/more.csv")
    study.write_text(text, encoding="utf-8")
    assert {one.kind for one in pins.unpinned(load_study(study))} == {"model"}


def test_commits_are_written_and_nothing_else_changes(study: Path) -> None:
    keys = [one.key for one in pins.unpinned(load_study(study))]
    assert pins.write(study, dict.fromkeys(keys, COMMIT)) == keys
    assert pins.unpinned(load_study(study)) == []
    text = study.read_text(encoding="utf-8")
    added = set(text.splitlines()) - set(STUDY.splitlines())
    assert f"    revision: {COMMIT}" in added
    assert f'  flow: {{source: "a/flow", revision: {COMMIT}, dtype: bfloat16}}' in added
    assert f"  branch: {{source: a/branch, revision: {COMMIT}}}" in added
    assert len(added) == 5, "block lines twice, three flow lines; comments and the rest stay"
    before, after = yaml.safe_load(STUDY), yaml.safe_load(text)
    assert after["models"]["done"] == before["models"]["done"]
    assert after["models"]["block"] == {**before["models"]["block"], "revision": COMMIT}


def test_a_last_line_without_an_end_is_pinned(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nextends: organism\nencoder:\n  source: a/b", encoding="utf-8")
    assert pins.write(path, {"encoder": COMMIT}) == ["encoder"]
    assert load_study(path).encoder.revision == COMMIT


def test_the_command_asks_the_hub_and_writes_what_it_says(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = invoke("study", "validate", str(study), "--plan", "--json")
    assert said.exit_code == 1, "a set without a count, whose work cannot be known"
    with fake_hub() as hub:
        use_hub(monkeypatch, tmp_path / "cache", hub.address)
        for name in ("a/block", "a/flow", "a/branch"):
            hub.repositories[("model", name)] = tmp_path
        for name in ("a/set", "a/more"):
            hub.repositories[("dataset", name)] = tmp_path
        text = mitt("study", "pin", str(study))
        assert f"models.block: a/block {COMMIT} (written)" in text
        assert not any("a/done" in path for path in hub.requests)
        hub.requests.clear()
        assert "already" in mitt("study", "pin", str(study))
        assert hub.requests == []
    assert pins.unpinned(load_study(study)) == []


def test_a_repository_that_is_not_there_leaves_the_file_as_it_is(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_hub() as hub:
        use_hub(monkeypatch, tmp_path / "cache", hub.address)
        said = invoke("study", "pin", str(study))
    assert said.exit_code == 1
    assert "models.block" in said.output
    assert "does not exist" in said.output
    assert study.read_text(encoding="utf-8") == STUDY


def test_a_key_of_the_extended_study_is_told_and_a_shipped_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nextends: paper\nencoder: {source: a/b}\n", encoding="utf-8")
    assert pins.write(path, {"problems": COMMIT, "encoder": COMMIT}) == ["encoder"]
    said = invoke("study", "pin", "paper")
    assert said.exit_code == 1
    assert "mitt study new mine --from paper" in said.output
    assert ModelError is not StudyError


def test_a_copy_of_a_shipped_study_is_that_study_under_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("paper", "mt-aime2024"):
        mitt("study", "new", f"my-{name}", "--from", name)
        copy = load_study(tmp_path / f"my-{name}.yaml")
        assert copy == load_study(name).model_copy(update={"name": f"my-{name}"})
    assert "no shipped study" in invoke("study", "new", "x", "--from", "gone").output
