"""The definitions as a whole: what they are, and what loading them costs."""

from __future__ import annotations

import difflib
import json
import os
import subprocess
import sys
from pathlib import Path

from tests.definitions_snapshot import SNAPSHOT, flattened, text

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "vllm", "great_expectations")
LOADED = """
import json, sys, time
clock = time.perf_counter()
import mitt_assets.definitions
mitt_assets.definitions.defs.get_repository_def()
print(json.dumps({"seconds": time.perf_counter() - clock, "modules": list(sys.modules)}))
"""


def test_the_definitions_are_those_of_the_snapshot() -> None:
    stored, now = SNAPSHOT.read_text(encoding="utf-8"), text(flattened())
    changed = difflib.unified_diff(
        stored.splitlines(), now.splitlines(), "stored", "now", "", "", 2
    )
    told = "\n".join(changed)
    assert not told, f"{told}\nIf this is meant: python -m tests.definitions_snapshot"


def test_the_code_location_loads_in_seconds_and_without_any_model_library(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED],
        env={**os.environ, "MITT_HOME": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    said = json.loads(done.stdout)
    assert not {name.partition(".")[0] for name in said["modules"]} & set(HEAVY)
    # The claim is six seconds; this machine may be busy with other tests.
    assert said["seconds"] < 30
