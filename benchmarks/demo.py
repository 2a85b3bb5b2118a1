"""How much of ``make demo`` is not model compute: checks, graph, records, storage, reports.

Runs the demo into a home of its own, with the models' seconds as the workers count them, and then
once more, when there is nothing to do.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time

COMMAND = [sys.executable, "-m", "mitt_assets.cli", "run", "--model", "llama"]
VARIANTS = [part for name in ("base", "mitt", "own_prefix") for part in ("--variant", name)]
TARGET = 0.15
"""Largest share that is not model compute or checks, and largest share of checks."""


def main() -> int:
    """Print the shares; 1 if the target is missed."""
    with tempfile.TemporaryDirectory() as home:
        first, said = _timed(home)
        again, _ = _timed(home)
    models, checks = (
        int(re.search(rf"{word} (\d+)%", said)[1]) / 100  # type: ignore[index]
        for word in ("Models computed", "checks took")
    )
    rest = 1 - models - checks
    print(f"demo: {first:.0f} s; models {models:.0%}, checks {checks:.0%}, the rest {rest:.0%}")
    print(f"(checks and the rest: at most {TARGET:.0%} each)")
    print(f"demo again, nothing to do: {again:.1f} s")
    return int(max(checks, rest) > TARGET)


def _timed(home: str) -> tuple[float, str]:
    clock = time.perf_counter()
    environment = {**os.environ, "MITT_HOME": home, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*COMMAND, *VARIANTS], env=environment, capture_output=True, text=True, check=True
    )
    return time.perf_counter() - clock, done.stdout


if __name__ == "__main__":
    sys.exit(main())
