"""Probes: the answer a trace would give if it had to stop at a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mitt_assets.assets.models import adapter_folder, verified_model
from mitt_assets.method.probing import PlannedProbe, plan_branches, probes_frame
from mitt_assets.method.requests import Branch, ProbeRequest
from mitt_assets.work import Product, Tick, Work

if TYPE_CHECKING:
    import polars as pl

    from resources.engines.base import TraceEngine
    from resources.engines.tokenizer import ReasoningTokenizer

Row = Mapping[str, Any]


def make_probes(work: Work) -> Product:
    """Read an answer at every checkpoint, at each end of thinking and at the end of every trace."""
    model = verified_model(work)
    tokenizer = work.services.tokenizer(model)
    engine = work.services.engine()
    engine.load(model, adapter_folder(work))
    questions = {
        row["translation_id"]: row for row in work.table("translations").iter_rows(named=True)
    }
    traces = list(work.table("traces").sort("trace_id").iter_rows(named=True))

    def compute(shard: Sequence[Row], tick: Tick) -> pl.DataFrame:
        return _shard(work, engine, tokenizer, questions, shard, tick)

    frame = work.in_shards(traces, "probing", compute)
    terminal = frame.filter(frame["kind"] == "terminal")
    return Product(
        frame=frame,
        metadata={
            "probes": frame.height,
            "accuracy at the end": terminal["correct"].mean(),
            "share without an answer": frame["answer"].is_null().mean(),
        },
        parameters={"engine": engine.describe()},
        materials=dict(model.files),
    )


def _shard(
    work: Work,
    engine: TraceEngine,
    tokenizer: ReasoningTokenizer,
    questions: Mapping[str, Row],
    shard: Sequence[Row],
    tick: Tick,
) -> pl.DataFrame:
    plans = [_plan(work, tokenizer, trace) for trace in shard]
    requests = [
        _request(work, tokenizer, questions[trace["translation_id"]], trace, plan)
        for trace, plan in zip(shard, plans, strict=True)
    ]
    forced = engine.probe(requests, tick)
    return probes_frame(
        [
            (trace, plan, [tokenizer.decode(tokens) for tokens in answers])
            for trace, plan, answers in zip(shard, plans, forced, strict=True)
        ],
        {trace["trace_id"]: questions[trace["translation_id"]]["answer"] for trace in shard},
        work.study.problems.answer,
    )


def _plan(work: Work, tokenizer: ReasoningTokenizer, trace: Row) -> list[PlannedProbe]:
    probes = work.study.probes
    return plan_branches(
        trace,
        stride=probes.stride,
        opening=tuple(tokenizer.encode(probes.opening)),
        suffix=tuple(tokenizer.encode(probes.suffix)),
    )


def _request(
    work: Work,
    tokenizer: ReasoningTokenizer,
    question: Row,
    trace: Row,
    plan: Sequence[PlannedProbe],
) -> ProbeRequest:
    instruction = work.study.languages[question["language"]].instruction
    branches: list[Branch] = [one.branch for one in plan if one.branch is not None]
    braces = tokenizer.tokens_with("}") if work.study.probes.stop_at_brace else ()
    return ProbeRequest(
        prompt=tuple(tokenizer.prompt(question["question"], instruction)),
        trace=tuple(trace["token_ids"]),
        branches=tuple(branches),
        max_tokens=work.study.probes.tokens,
        stop=(tokenizer.eos, *braces),
    )
