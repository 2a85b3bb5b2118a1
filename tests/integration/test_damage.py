"""A damaged home: what is whole is still shown, and a plain ``mitt run`` makes the rest again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mitt_assets.errors import IntegrityError
from mitt_assets.home import open_maker
from mitt_assets.materialise import Maker
from resources.services import StudyServices
from tests.commandline import invoke, mitt
from tests.making import make_due

ASSET, PARTITION = HURT = ("base/windows", "de|llama")


@pytest.fixture
def study(finished: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The finished miniature study in a home of the test's own."""
    shutil.copytree(finished[0], tmp_path / "copy", symlinks=True)
    monkeypatch.setenv("MITT_HOME", str(tmp_path / "copy"))
    return finished[1]


def pointer(maker: Maker, language: str = "de") -> Path:
    return Path(maker.store.storage.url) / f"refs/base/windows/{language}%7Cllama.json"


def replace(path: Path | None, data: bytes) -> None:
    assert path is not None
    path.unlink()
    path.write_bytes(data)


def lose_the_statement(maker: Maker) -> None:
    maker.store.storage.delete(maker.required(*HURT).statement)


def alter_the_statement(maker: Maker) -> None:
    digest = maker.required(*HURT).statement
    replace(maker.store.storage.local_path(digest), b"{}")


def empty_the_pointer(maker: Maker) -> None:
    replace(pointer(maker), b"")


def swap_the_pointer(maker: Maker) -> None:
    replace(pointer(maker), pointer(maker, "en").read_bytes())


def lose_the_table(maker: Maker) -> None:
    maker.store.storage.delete(maker.required(*HURT).files["table.parquet"])


def states(study: Path) -> dict[tuple[str, str | None], str]:
    said = json.loads(mitt("status", "--study", str(study), "--json"))
    return {(one["asset"], one["partition"]): one["state"] for one in said["partitions"]}


@pytest.mark.parametrize(
    "damage",
    [
        lose_the_statement,
        alter_the_statement,
        empty_the_pointer,
        swap_the_pointer,
        lose_the_table,
    ],
)
def test_the_grid_shows_the_damaged_partition_and_all_others(
    study: Path, damage: Callable[[Maker], None]
) -> None:
    damage(open_maker(str(study)))
    found = states(study)
    assert [key for key, state in found.items() if state == "damaged"] == [HURT]
    readers = {key for key, state in found.items() if state == "stale"}
    assert {open_maker(str(study)).graph.step(asset).group for asset, _ in readers} <= {"reports"}
    page = mitt("status", "--study", str(study))
    assert "damaged base/windows" in page
    assert "base/traces" in page


def run_from_the_command_line(study: Path) -> None:
    assert "Report: " in mitt("run", "--study", str(study), "--jobs", "1")


def make_what_is_due(study: Path) -> None:
    make_due(open_maker(str(study)))


@pytest.mark.parametrize(
    ("damage", "mend"),
    [
        (lose_the_statement, run_from_the_command_line),
        (empty_the_pointer, make_what_is_due),
        (lose_the_table, make_what_is_due),
    ],
)
def test_a_run_makes_it_whole_and_touches_no_other_language(
    study: Path, damage: Callable[[Maker], None], mend: Callable[[Path], None]
) -> None:
    maker = open_maker(str(study))
    before = {(one.asset, one.partition): one for one in maker.store.records()}
    damage(maker)
    mend(study)
    assert set(states(study).values()) == {"fresh"}
    after = open_maker(str(study)).store
    for key, record in before.items():
        now = after.current(*key)
        assert now is not None
        after.verify(now)
        assert now.content == record.content, key
        assert key == HURT or key[1] is None or now == record, key


def test_a_run_of_something_else_names_what_is_damaged(study: Path) -> None:
    empty_the_pointer(open_maker(str(study)))
    said = invoke("run", "--study", str(study), "--select", "base/traces", "--jobs", "1")
    assert said.exit_code == 0
    assert "base/windows[de|llama] cannot be read" in said.output
    assert "`mitt run` makes its partition again" in said.output


def test_who_reads_what_is_damaged_is_told_the_command(study: Path) -> None:
    maker = open_maker(str(study))
    maker.store.storage.delete(maker.required("base/traces", PARTITION).statement)
    services = StudyServices(maker.graph.study, maker.scratch, "cpu")
    with pytest.raises(IntegrityError, match=r"base/traces\[de\|llama\].* again with: mitt run"):
        open_maker(str(study)).make(*HURT, services, "test")
