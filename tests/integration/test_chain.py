"""The chain on a real instance: what is made, what a change makes stale, what a second run does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

import mitt_assets
from mitt_assets.dagster_assets import POOL
from mitt_assets.home import Home, open_maker
from tests.commandline import mitt
from tests.conftest import MINIATURE


def status(study: Path) -> dict[str, Any]:
    return dict(json.loads(mitt("status", "--study", str(study), "--json")))


def test_everything_is_made_and_fresh(done: Path) -> None:
    states = status(done)["partitions"]
    assert {one["state"] for one in states} == {"fresh"}
    shared, chains, recipes, reports = 1 + 3 + 1 + 1, 4 * 5 * 3, 2 * 3, 6
    assert len(states) == shared + chains + recipes + reports


def test_a_second_run_recomputes_nothing(done: Path) -> None:
    before = status(done)["statement_root"]
    output = mitt("run", "--study", str(done), "--jobs", "1")
    assert "made" not in output
    assert status(done)["statement_root"] == before


def test_runs_of_the_web_interface_get_a_gpu_one_at_a_time_afterwards(done: Path) -> None:
    home = Home(open_maker(str(done)).graph.study)

    def slots(*more: str) -> int:
        mitt("run", "--study", str(done), "--jobs", "2", *more)
        with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
            limits = instance.event_log_storage.get_pool_limits()
            (limit,) = [one.limit for one in limits if one.name == POOL]
        return limit

    # A machine may have a GPU that this run was told to leave alone, and the next is not.
    assert slots("--device", "cpu") == 1
    assert slots() == 2


def contents(study: Path) -> dict[tuple[str, str | None], str | None]:
    partitions = status(study)["partitions"]
    return {(one["asset"], one["partition"]): one["content"] for one in partitions}


def test_another_home_with_one_worker_gets_the_same_content(
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = contents(done)
    monkeypatch.setenv("MITT_HOME", str(tmp_path / "second"))
    mitt("run", "--study", str(done), "--jobs", "1", "--select", "mitt/probes", "--language", "de")
    made = {place: content for place, content in contents(done).items() if content}
    assert ("mitt/adapter", "llama") in made
    assert made.items() <= expected.items()


def test_traces_hold_every_sample_within_the_budget(done: Path) -> None:
    traces = mitt_assets.load("base/traces", study=str(done))
    assert traces.height == 3 * 3 * 2
    assert traces["trace_id"].is_unique().all()
    assert traces["seed"].is_unique().all()
    assert traces["think_tokens"].max() <= 256
    ended = traces.filter(pl.col("finish_reason") == "stop")
    assert ended.height > 0
    assert (ended["think_ends"].list.len() == 1).all(), "every finished thought was prolonged once"


def test_the_natural_trace_is_a_prefix_of_the_forced_one(done: Path) -> None:
    traces = mitt_assets.load("base/traces", study=str(done), language="de")
    for row in traces.filter(pl.col("think_ends").list.len() > 0).iter_rows(named=True):
        offset = row["offsets"][row["think_ends"][0]]
        assert row["text"][offset:].startswith("Warte")
        assert row["text"][:offset].endswith("\n")


def test_probes_read_every_checkpoint_and_one_terminal(done: Path) -> None:
    traces = mitt_assets.load("mitt/traces", study=str(done))
    probes = mitt_assets.load("mitt/probes", study=str(done))
    for trace in traces.iter_rows(named=True):
        own = probes.filter(pl.col("trace_id") == trace["trace_id"])
        checkpoints = own.filter(pl.col("kind") == "checkpoint")["budget"].sort().to_list()
        assert checkpoints == list(range(32, trace["think_tokens"] + 1, 32))
        assert own.filter(pl.col("kind") == "terminal").height == 1


def test_a_given_opening_is_the_base_model_s_english_one(done: Path) -> None:
    english = mitt_assets.load("base/traces", study=str(done), language="en")
    given = mitt_assets.load("english_prefix/traces", study=str(done), language="tl")
    openings = {
        (row["problem_id"], row["sample"]): row["token_ids"][:8]
        for row in english.iter_rows(named=True)
    }
    for row in given.iter_rows(named=True):
        assert row["prefix_tokens"] == 8
        assert row["token_ids"][:8] == openings[row["problem_id"], row["sample"]]


def test_training_problems_are_not_evaluation_problems(done: Path) -> None:
    problems = mitt_assets.load("problems", study=str(done))
    training = mitt_assets.load("mitt/training_set", study=str(done))
    evaluation = set(problems.filter(pl.col("split") == "evaluation")["problem_id"])
    assert training.height > 0
    assert not evaluation & set(training["problem_id"])


def test_both_variants_share_the_anchor(done: Path) -> None:
    whole = [
        mitt_assets.load(f"{variant}/training_set", study=str(done))
        .filter(pl.col("whole"))["token_ids"]
        .to_list()
        for variant in ("mitt", "own_prefix")
    ]
    assert len(whole[0]) > 0
    assert sorted(whole[0]) == sorted(whole[1])


def test_statements_name_inputs_weights_and_seeds(done: Path) -> None:
    maker = open_maker(str(done))
    record = maker.store.current("mitt/traces", "tl|llama")
    assert record is not None
    inputs = {(one.asset, one.partition) for one in record.dependencies}
    assert inputs == {
        ("base_model", "llama"),
        ("translations", "tl"),
        ("mitt/adapter", "llama"),
    }
    assert len(record.materials["model.safetensors"]) == 64
    assert record.seeds == {"generation": 1}
    assert record.study_slice["languages.tl.wait"] == "Sandali"


def test_only_what_a_change_touches_goes_stale(done: Path, study_file: Callable[..., Path]) -> None:
    changed = {**MINIATURE["languages"], "tl": {**MINIATURE["languages"]["tl"], "wait": "Teka"}}  # type: ignore[dict-item]
    states = status(study_file(languages=changed))["partitions"]
    stale = {(one["asset"], one["partition"]): one["reasons"] for one in states if one["reasons"]}
    assert {key for key in stale if key[0].endswith("/traces")} == {
        (f"{variant}/traces", "tl|llama")
        for variant in ("base", "mitt", "own_prefix", "english_prefix")
    }
    assert not [key for key in stale if key[1] == "de|llama"]
    assert any("languages.tl.wait" in reason for reason in stale["base/traces", "tl|llama"])


def test_a_new_language_is_missing_and_nothing_else_is_stale(
    done: Path, study_file: Callable[..., Path]
) -> None:
    languages = {
        **MINIATURE["languages"],  # type: ignore[dict-item]
        "it": {"name": "Italian", "level": "mid", "wait": "Aspetta"},
    }
    states = status(study_file(languages=languages))["partitions"]
    assert {one["state"] for one in states} == {"fresh", "missing"}
    assert all(
        (one["partition"] or "").startswith("it") for one in states if one["state"] == "missing"
    )
