"""The definitions as a whole: what they are, and what loading them costs."""

from __future__ import annotations

import difflib
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.definitions_snapshot import SNAPSHOT, flattened, text

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "vllm", "great_expectations")
LOADED = """
import json, sys
import mitt_assets.definitions
mitt_assets.definitions.defs.get_repository_def()
print(json.dumps(list(sys.modules)))
"""
MOST = 6
"""Seconds in which the code location loads."""


def test_the_definitions_are_those_of_the_snapshot() -> None:
    stored, now = SNAPSHOT.read_text(encoding="utf-8"), text(flattened())
    changed = difflib.unified_diff(
        stored.splitlines(), now.splitlines(), "stored", "now", "", "", 2
    )
    told = "\n".join(changed)
    assert not told, f"{told}\nIf this is meant: python -m tests.definitions_snapshot"


def loaded(tmp_path: Path) -> tuple[float, set[str]]:
    """Loads the code location in a process of its own: its processor seconds, what it imported."""
    before = _worked()
    done = subprocess.run(
        [sys.executable, "-c", LOADED],
        env={**os.environ, "MITT_HOME": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    modules: list[Any] = json.loads(done.stdout)
    return _worked() - before, {str(name).partition(".")[0] for name in modules}


def _worked() -> float:
    """Processor seconds of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_the_code_location_loads_in_six_seconds_and_without_any_model_library(
    tmp_path: Path,
) -> None:
    """In processor time, the interpreter's start included, and the better of two.

    It loads in one thread and waits for nothing, so that this is the time it takes on a machine
    with a core to spare. By the clock it would be the time of whatever else runs here too.
    """
    seconds, modules = loaded(tmp_path)
    assert not modules & set(HEAVY)
    assert seconds < MOST or loaded(tmp_path)[0] < MOST
