"""The whole chain of a study shaped as the paper's, its traces and probes made by real vLLM."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from mitt_assets.home import open_maker
from tests.commandline import invoke, mitt
from tests.fakes.paper_study import EVALUATED, paper_study
from tests.vllm.served import Served, wait_for

SLUG = {"qwen2": "qwen", "llama": "llama"}
ADAPTED = "mitt/traces"
SHARDS = "*/scratch/shards/*/*.shard"
"""Where finished shards of the partition that is being made are kept, below a home."""


@contextmanager
def settings(
    engine: str, folder: Path, slug: str, log: Path, home: Path
) -> Iterator[dict[str, Any]]:
    """The study's engine. A server is still starting when the study begins, and is killed once."""
    if engine == "vllm":
        yield {"vllm": {"max_length": 1024, "memory_share": 0.1, "enforce_eager": True}}
        return
    server = Served(folder, slug, log)
    server.start()
    try:
        endpoint = {"url": server.url, "model": server.name}
        found: list[tuple[int, bool]] = []
        killer = Thread(target=_kill_once, args=(server, home, found), daemon=True)
        killer.start()
        # Two samples a problem: as many shards as problems.
        yield {"shard": 2, "server": {"endpoints": {slug: endpoint}, "concurrency": 8}}
        killer.join(1)
        ((kept, whole),) = found
        assert kept < EVALUATED and not whole, "the server did not die in mid-partition"
    finally:
        server.kill()


def _kill_once(server: Served, home: Path, found: list[tuple[int, bool]]) -> None:
    """Kill the server in the midst of its first traces under the adapter, and start it again.

    ``found`` gets how many shards were kept then, and whether a partition was whole.
    """

    def made(asset: str) -> bool:
        return any(home.glob(f"*/store/refs/{asset}/*.json"))

    wait_for(lambda: made("mitt/adapter") and any(home.glob(SHARDS)), 600, "no shard was kept")
    server.kill()
    found.append((len(list(home.glob(SHARDS))), made(ADAPTED)))
    server.start()


# Each engine with one family: the contract runs both families on both, and starting costs most.
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("engine", "family"), [("vllm", "qwen2"), ("server", "llama")])
def test_every_partition_is_made_and_none_is_refused(
    engine: str, family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slug = SLUG[family]
    study = paper_study(tmp_path)
    model = study["models"] = {slug: study["models"][slug]}
    study["variants"] = {name: study["variants"][name] for name in ("base", "mitt")}
    # Random thoughts seldom end by themselves, and other random numbers make others of them end.
    study["variants"]["mitt"]["recipe"] |= {"whole_share": 0.0}
    study["statistics"]["comparisons"] = [["mitt", "base"]]
    first = (ADAPTED, f"en|{slug}")
    home = tmp_path / "home"
    with settings(engine, Path(model[slug]["source"]), slug, tmp_path / "log", home) as chosen:
        study["engine"] |= {"name": engine, **chosen}
        file = tmp_path / "study.yaml"
        file.write_text(yaml.safe_dump(study), encoding="utf-8")
        monkeypatch.setenv("MITT_HOME", str(home))
        mitt("run", "--study", str(file), "--jobs", "1")
        again = invoke("lineage", "reproduce", *first, "--study", str(file))
    share = re.search(r"table.parquet: (equal|.* ([\d.]+)% of the traces are equal)", again.output)
    assert share, again.output
    print(f"{engine}: traces made again are equal:", share[2] or "all")
    # The second server had never heard of the adapter; undisturbed, it makes what both made.
    assert engine == "vllm" or share[1] == "equal", again.output
    maker = open_maker(str(file))
    for asset, partition in maker.graph.all_partitions:
        record = maker.required(asset, partition)
        assert maker.gate.refusal(record) is None, (asset, partition)
    for asset in ("base/traces", "base/probes", ADAPTED, "mitt/probes"):
        made_by = maker.required(asset, f"vi|{slug}").parameters["engine"]
        assert made_by["engine"] == engine
