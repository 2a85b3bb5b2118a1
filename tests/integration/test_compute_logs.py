"""What a run prints is in the home's files for the UI, and not on the terminal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mitt_assets.home import Home
from mitt_assets.study_file import load_study

PROGRAM = """
import os, sys
import dagster as dg

@dg.asset
def talker():
    print("from Python")
    os.write(1, b"from a library" + os.linesep.encode())
    os.write(2, b"a complaint")

with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    result = dg.materialize([talker], instance=instance)
    (event,) = [one for one in result.all_events if one.event_type_value == "LOGS_CAPTURED"]
    key = [result.run_id, "compute_logs", event.logs_captured_data.file_key]
    assert instance.compute_log_manager.is_capture_complete(key)
    said = instance.compute_log_manager.get_log_data(key)
    assert said.stdout == b"from Python\\nfrom a library\\n", said.stdout
    assert b"a complaint" in said.stderr, said.stderr
"""


def test_all_is_captured_and_nothing_repeated(own_home: Path) -> None:
    Home(load_study("organism")).prepare()
    moved = own_home.rename(own_home.with_name("moved"))
    folder = moved / "organism" / "dagster"
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == ""
    assert "a complaint" not in ran.stderr
    assert list(folder.rglob("*.out"))
