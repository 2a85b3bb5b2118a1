"""Plain `dagster dev` and `dg dev` in the repository: the study's home, and nothing left behind."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from mitt_assets.home import Home
from mitt_assets.study_file import load_study
from tests.ui.browser import ROOT
from tests.ui.served import Served, free_port

COUNT = "{ assetNodes { id } }"


@pytest.mark.xdist_group("plain")  # both keep a temporary folder in the repository meanwhile
@pytest.mark.timeout(300)
@pytest.mark.parametrize("command", ["dagster", "dg"])
def test_the_home_is_made_and_kept(
    command: str, tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    before = set(os.listdir(ROOT))
    program = Path(sys.executable).with_name(command)
    port, home = free_port(), Home(load_study())
    assert not home.path.exists()
    # What `dg` keeps for its user, it keeps there.
    settings = {"HOME": str(tmp_path), "PATH": f"{program.parent}:{os.environ['PATH']}"}
    with Served([str(program), "dev", "-p", str(port)], port, settings, tmp_path / "log") as ui:
        assert len(ui.ask(COUNT)["assetNodes"]) > 40
    said = (tmp_path / "log").read_text(encoding="utf-8")
    assert f"Runs are kept in {home.dagster}" in said
    assert list(home.dagster.rglob("runs.db"))
    assert set(os.listdir(ROOT)) == before
