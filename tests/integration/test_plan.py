"""The plan of a study beside what a finished run of it made: no bound is broken."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from mitt_assets.assets.chain import build_graph
from mitt_assets.costs.plan import Terms, plan
from mitt_assets.home import open_maker


def test_the_bounds_hold_for_a_finished_study(done: Path) -> None:
    maker = open_maker(str(done))
    study, graph = maker.graph.study, build_graph(maker.graph.study)
    planned = plan(study, len(graph.all_partitions), Terms())
    stages = {stage.name: stage for stage in planned.stages}

    def tables(name: str) -> list[pl.DataFrame]:
        steps = [step for step in graph.steps.values() if step.asset.endswith(f"/{name}")]
        pairs = [(step.asset, key) for step in steps for key in graph.partitions(step.asset)]
        return [maker.store.table(maker.required(*pair)) for pair in pairs]

    def rows(name: str) -> int:
        return sum(frame.height for frame in tables(name))

    for stage, name in (("traces", "traces"), ("training traces", "training_traces")):
        made = pl.concat(tables(name))
        assert made.height == stages[stage].requests
        generated = made["token_ids"].list.len() - made["prefix_tokens"]
        assert 0 < generated.sum() <= stages[stage].generated
        assert made["prompt_tokens"].max() <= planned.terms.prompt_tokens
    assert 0 < rows("probes") <= stages["probes"].requests
    assert 0 < rows("windows") <= planned.windows
    assert 0 < rows("segment_embeddings") <= planned.texts
    assert len(tables("training_set")) == stages["adapters"].partitions
    stored = sum(frame.estimated_size() for name in ("traces", "probes") for frame in tables(name))
    assert 0 < stored <= planned.tables
