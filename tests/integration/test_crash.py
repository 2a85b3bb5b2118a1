"""Killed with -9: no finished shard is lost and the result is byte for byte the undisturbed one."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commandline import mitt

SHARDS = 40
WRITER = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
import polars as pl
from mitt_assets.work import Work
from resources.shards import ShardStore

root, log, pause = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
shards = ShardStore(root, "0123456789abcdef")

class Logged:
    def load(self, index):
        return shards.load(index)
    def save(self, index, data):
        shards.save(index, data)
        with log.open("a") as file:
            file.write(f"{index}\\n")

def compute(items, tick):
    time.sleep(pause)
    return pl.DataFrame({"item": list(items), "text": ["x" * 2000 for _ in items]})

work = Work(
    study=SimpleNamespace(engine=SimpleNamespace(shard=2)), asset="a", partition=None, own={},
    variant=None, records={}, store=None, services=None, shards=Logged(), report=lambda beat: None,
    command_for=lambda asset, partition: "", scratch=root,
)
with shards.lock():
    frame = work.in_shards(range(80), "making", compute)
from mitt_assets.lineage.store import write_table
import hashlib
print(hashlib.sha256(write_table(frame)).hexdigest())
"""


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )


def digest(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return said.strip()


def test_a_shard_writer_killed_twenty_times_loses_no_finished_shard(tmp_path: Path) -> None:
    whole = digest(start(tmp_path / "whole", tmp_path / "whole.log", 0))
    log, chance = tmp_path / "log", random.Random(5)
    for _ in range(20):
        before = len(log.read_text().split()) if log.exists() else 0
        process = start(tmp_path / "cut", log, 0.02)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and process.poll() is None:
            if log.exists() and len(log.read_text().split()) > before:
                break
            time.sleep(0.002)
        time.sleep(chance.random() * 0.03)
        process.kill()
        process.wait()
        if len(log.read_text().split()) >= SHARDS:
            break
    assert digest(start(tmp_path / "cut", log, 0)) == whole
    made = log.read_text().split()
    # A writer killed between saving a shard and logging it leaves it unlogged, never made twice.
    assert len(made) == len(set(made)), "a finished shard was made again"


CHOSEN = ("--select", "base/probes", "--language", "de")


def run_in_group(study: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "mitt_assets.cli", "run", "--study", str(study), "--jobs", "2"]
    return subprocess.Popen(
        [*command, *CHOSEN],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def kill_with_children(process: subprocess.Popen[bytes]) -> None:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for pid in [process.pid, *map(int, children)]:
        os.kill(pid, signal.SIGKILL)
    process.wait()


def shards_of(home: Path) -> set[Path]:
    """Finished shards of whatever is being made."""
    return {path for path in home.glob("*/scratch/shards/*/*") if path.is_file()}


def content_root(study: Path) -> str:
    arguments = ["status", "--study", str(study), "--json", *CHOSEN]
    return str(json.loads(mitt(*arguments))["content_root"])


@pytest.mark.timeout(300)
def test_a_run_killed_twice_ends_with_the_same_content(
    study_file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = study_file(engine={"shard": 1})
    home = tmp_path / "killed"
    monkeypatch.setenv("MITT_HOME", str(home))
    for _ in range(2):
        seen = shards_of(home)
        process = run_in_group(study)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            if shards_of(home) - seen:
                break
            time.sleep(0.01)
        assert process.poll() is None, "the run ended before it could be killed"
        kill_with_children(process)
    mitt("run", "--study", str(study), *CHOSEN, "--jobs", "2")
    killed = content_root(study)
    monkeypatch.setenv("MITT_HOME", str(tmp_path / "undisturbed"))
    mitt("run", "--study", str(study), *CHOSEN, "--jobs", "1")
    assert content_root(study) == killed
