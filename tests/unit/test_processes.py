"""Whether the process of a run is still there, also where the system has no /proc."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mitt_assets import processes
from mitt_assets.processes import PID_TAG, is_gone, own_tags, process_name


@pytest.fixture(params=["with /proc", "without"])
def system(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "without":
        monkeypatch.setattr(processes, "PROC", tmp_path)
    return str(request.param)


def test_a_live_run_is_not_gone_and_an_ended_one_is(system: str) -> None:
    assert not is_gone(own_tags())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        name = process_name(other.pid)
        assert name is not None
        assert not is_gone({**own_tags(), PID_TAG: name})
        other.kill()
    assert is_gone({**own_tags(), PID_TAG: name})


def test_another_user_s_process_is_there(system: str) -> None:
    assert process_name(1) is not None
