"""Killed with -9: no finished shard is lost and the result is byte for byte the undisturbed one."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commandline import mitt
from tests.conftest import MINIATURE

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


GENERATOR = """
import os, signal, sys, time
from pathlib import Path
from mitt_assets.home import Home, open_maker
from resources.services import StudyServices
from resources.shards import ShardStore
import polars, torch, transformers.models.llama.modeling_llama

study, log, kills = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
place, save = ("base/traces", "en|tiny"), ShardStore.save

def logged(store, index, data):
    save(store, index, data)
    with log.open("a") as file:
        file.write(f"{index}\\n")

ShardStore.save = logged

def forked(work):
    # The parent only imports: polars does not survive a fork once it was used.
    process = os.fork()
    if process == 0:
        maker = open_maker(study)
        work(maker, StudyServices(maker.graph.study, Home(maker.graph.study).cache, "cpu"))
        os._exit(0)
    return process

def prepare(maker, services):
    for asset, partition in (("problems", None), ("translations", "en"), ("base_model", "tiny")):
        maker.gate.ensure(maker.make(asset, partition, services, "test").record, services)

def generate(maker, services):
    content = maker.make(*place, services, "test").record.content
    print(content, flush=True)

def made():
    return len(log.read_text().split()) if log.exists() else 0

os.waitpid(forked(prepare), 0)
for attempt in range(kills + 1):
    before, process = made(), forked(generate)
    while attempt < kills and made() < before + 3:
        assert os.waitpid(process, os.WNOHANG)[0] == 0, "it ended before it could be killed"
        time.sleep(0.005)
    if attempt < kills:
        time.sleep(0.03 * attempt)
        os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
"""


def tiny_reasoner(folder: Path) -> None:
    """The smallest model that reads the organism's tokens; random, so it writes to the budget."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from mitt_assets.organism import checkpoint_path

    shutil.copytree(
        checkpoint_path("llama"), folder, ignore=shutil.ignore_patterns("*.safetensors")
    )
    config = AutoConfig.from_pretrained(folder)
    config.update({"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1})
    config.update({"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)


def test_two_thousand_requests_killed_three_times_lose_no_finished_shard(
    study_file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_reasoner(tmp_path / "model")
    study = study_file(
        languages={"en": MINIATURE["languages"]["en"]},  # type: ignore[index]
        models={"tiny": {"source": str(tmp_path / "model")}},
        problems={**MINIATURE["problems"], "evaluation": {"count": 250}, "training": None},  # type: ignore[dict-item]
        engine={"shard": 100, "device": "cpu"},
        generation={"samples": 8, "budget": 8, "answer_tokens": 4, "waits": 1},
        variants={"base": {}},
        statistics={"resamples": 100},
    )
    content, made = {}, {}
    for name, kills in (("undisturbed", 0), ("killed", 3)):
        monkeypatch.setenv("MITT_HOME", str(tmp_path / name))
        log = tmp_path / f"{name}.log"
        content[name] = subprocess.run(
            [sys.executable, "-c", GENERATOR, str(study), str(log), str(kills)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        ).stdout.split()[-1]
        made[name] = log.read_text().split()
    assert content["killed"] == content["undisturbed"]
    assert made["undisturbed"] == [str(number) for number in range(20)]
    # A process killed between keeping a shard and logging it leaves it unlogged, never made twice.
    assert len(made["killed"]) == len(set(made["killed"])) >= 17


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
    study_file: Callable[..., Path],
    finished: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
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
    mitt("run", "--study", str(study), *CHOSEN, "--jobs", "1")
    killed = content_root(study)
    # Nobody disturbed this one, which had two workers and shards of another size.
    monkeypatch.setenv("MITT_HOME", str(finished[0]))
    assert content_root(finished[1]) == killed
