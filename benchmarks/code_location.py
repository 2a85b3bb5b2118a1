"""What the web interface costs: loading the code location, a look at all files, what is shown.

Loading is measured from the start of a process, three times, by the clock; the median counts. The
sensor and the metadata are measured on a study of as many partitions as the shipped one has, each
holding one small file. Exits with 1 over the bound for loading, or if a model library was loaded.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import polars as pl

from benchmarks.records import provenance
from mitt_assets.assets.chain import build_graph
from mitt_assets.home import Home
from mitt_assets.materialise import Maker
from mitt_assets.reporting.render import picture
from mitt_assets.shown.pictures import panel_of
from mitt_assets.study_file import load_study
from mitt_assets.watched import watched

TIMES = 3
BOUND = 6.0
"""Seconds in which the code location must load."""
HEAVY = {"torch", "transformers", "vllm", "great_expectations"}
PROGRAM = """
import json, sys
from mitt_assets.definitions import defs
defs.get_repository_def()
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def main() -> int:
    """Print the times; 1 if loading takes too long or loads too much."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MITT_HOME"] = folder
        loads = [_load() for _ in range(TIMES)]
        seconds = statistics.median(one for one, _ in loads)
        heavy = HEAVY & loads[0][1]
        print(f"the code location loads in {seconds:.1f} s (at most {BOUND:.0f})")
        print(f"model libraries loaded with it: {', '.join(sorted(heavy)) or 'none'}")
        partitions, looked = _look()
        print(f"a look at the files of {partitions} partitions: {1000 * looked:.0f} ms")
    print(f"a partition's picture: {1000 * _draw():.0f} ms")
    return int(seconds > BOUND or bool(heavy))


def _load() -> tuple[float, set[str]]:
    clock = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True)
    return time.perf_counter() - clock, set(json.loads(done.stdout))


def _look() -> tuple[int, float]:
    """Seconds for the sensor's second look; the first one reads every statement."""
    graph = build_graph(load_study("organism"))
    home = Home(graph.study)
    maker = Maker(graph, home.store(), home.scratch)
    for asset, key in graph.all_partitions:
        maker.store.commit(provenance(asset, key, []), {"file": f"{asset} {key}".encode()})
    watched(maker, [])
    clock = time.perf_counter()
    watched(maker, [])
    return len(graph.all_partitions), time.perf_counter() - clock


def _draw() -> float:
    """Seconds for the picture of a partition, after the first one."""
    study, own = load_study("organism"), {"language": "tl", "model": "llama"}
    panel = panel_of("traces", study, own, pl.DataFrame({"think_tokens": range(240)}))
    assert panel is not None
    picture([panel])
    clock = time.perf_counter()
    picture([panel])
    return time.perf_counter() - clock


if __name__ == "__main__":
    sys.exit(main())
