"""The collector of a process of our own."""

import subprocess
import sys

SCRIPT = """
import atexit, gc
atexit.register(lambda: print(gc.get_freeze_count() > 1000))
from mitt_assets.collector import relax
relax()
"""


def test_a_process_that_ends_looks_for_no_cycles() -> None:
    said = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert (said.stdout, said.stderr) == ("True\n", "")
