"""Every process that computes does so with one thread unless told otherwise."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

COUNT = "; import torch; print(torch.get_num_threads(), torch.ones(2).sum().item())"
NAMES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def threads_after(code: str, **settings: str) -> int:
    environment = {name: value for name, value in os.environ.items() if name not in NAMES}
    said = subprocess.run(
        [sys.executable, "-c", code + COUNT],
        env={**environment, **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(said.stdout.split()[0])


@pytest.mark.parametrize(("set_before", "expected"), [({}, 1), ({"OMP_NUM_THREADS": "2"}, 2)])
def test_a_process_that_loads_the_definitions(set_before: dict[str, str], expected: int) -> None:
    assert threads_after("import mitt_assets.definitions", **set_before) == expected


@pytest.mark.parametrize("before", ["", "import torch; "])
def test_as_many_as_are_asked_for(before: str) -> None:
    code = before + "from mitt_assets.threads import set_threads; set_threads(2)"
    assert threads_after(code, OMP_NUM_THREADS="1") == 2


def test_only_the_cores_that_may_be_used_count() -> None:
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
    code += "from mitt_assets.threads import usable_cores; print(usable_cores())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(said.stdout) == 1
