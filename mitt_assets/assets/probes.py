"""Probes: the answer a trace would give if it had to stop at a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mitt_assets.assets.measured import Measured
from mitt_assets.assets.models import loaded_engine, verified_model
from mitt_assets.method.probing import (
    PlannedProbe,
    ProbeForm,
    line_ends,
    own_answer,
    plan_branches,
    probes_frame,
    read_branches,
)
from mitt_assets.method.requests import Branch, ProbeRequest
from mitt_assets.work import Product, Tick, Work

if TYPE_CHECKING:
    import polars as pl

    from resources.engines.base import TraceEngine
    from resources.engines.tokenizer import ReasoningTokenizer

Row = Mapping[str, Any]
Ask = Callable[[Sequence[Row], Sequence[Sequence[Branch]]], list[list[str]]]
"""Traces and the branches of each; what each branch writes."""


def make_probes(work: Work) -> Product:
    """Read an answer at every checkpoint, at each end of thinking and at the end of every trace."""
    model = verified_model(work)
    tokenizer = work.services.tokenizer(model)
    engine = loaded_engine(work, model)
    measured = Measured(work, engine.memory_peak)
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
            "share carried": frame["carried"].mean(),
            **measured.metadata(),
        },
        parameters={"engine": engine.describe()},
        materials=engine.materials(model),
    )


def _shard(
    work: Work,
    engine: TraceEngine,
    tokenizer: ReasoningTokenizer,
    questions: Mapping[str, Row],
    shard: Sequence[Row],
    tick: Tick,
) -> pl.DataFrame:
    plans = {trace["trace_id"]: _plan(work, tokenizer, trace) for trace in shard}
    ask = _asking(work, engine, tokenizer, questions, tick)
    with work.model_time():
        forced = read_branches(
            [plans[trace["trace_id"]] for trace in shard],
            lambda some, branches: ask([shard[i] for i in some], branches),
            work.study.probes.stop_when_stable,
            work.study.problems.answer,
        )
    raws = {
        trace["trace_id"]: _texts(trace, plans[trace["trace_id"]], iter(texts))
        for trace, texts in zip(shard, forced, strict=True)
    }
    golds = {trace["trace_id"]: questions[trace["translation_id"]]["answer"] for trace in shard}
    return probes_frame(plans, raws, golds, work.study.problems.answer)


def _asking(
    work: Work,
    engine: TraceEngine,
    tokenizer: ReasoningTokenizer,
    questions: Mapping[str, Row],
    tick: Tick,
) -> Ask:
    """The engine as probing calls it: its answers as texts, its tokens added up over calls."""
    before = 0

    def ask(traces: Sequence[Row], branches: Sequence[Sequence[Branch]]) -> list[list[str]]:
        nonlocal before
        start, latest = before, 0

        def progress(done: int, tokens: int) -> None:
            nonlocal latest
            latest = tokens
            tick(done, start + tokens)

        requests = [
            _request(work, tokenizer, questions[trace["translation_id"]], trace, some)
            for trace, some in zip(traces, branches, strict=True)
        ]
        found = engine.probe(requests, progress)
        before = start + latest
        return [[tokenizer.decode(answer) for answer in answers] for answers in found]

    return ask


def _plan(work: Work, tokenizer: ReasoningTokenizer, trace: Row) -> list[PlannedProbe]:
    probes = work.study.probes
    form = ProbeForm(
        probes.stride,
        tuple(tokenizer.encode(probes.opening)),
        tuple(tokenizer.encode(probes.suffix)),
    )
    return plan_branches(
        think_tokens=trace["think_tokens"],
        think_ends=trace["think_ends"],
        ended=trace["finish_reason"] != "budget",
        own=own_answer(_after_thought(trace)) is not None,
        form=form,
        ends_line=line_ends(trace["text"], trace["offsets"]),
    )


def _after_thought(trace: Row) -> str:
    """The text after the thought: ``</think>`` and the answer, or nothing."""
    at, offsets = trace["think_tokens"], trace["offsets"]
    return str(trace["text"])[offsets[at] :] if at < len(offsets) else ""


def _texts(
    trace: Row, plan: Sequence[PlannedProbe], forced: Iterator[str | None]
) -> list[str | None]:
    """One text per planned probe: the next forced answer, or the text after the thought."""
    own = _after_thought(trace)
    return [own if one.branch is None else next(forced) for one in plan]


def _request(
    work: Work,
    tokenizer: ReasoningTokenizer,
    question: Row,
    trace: Row,
    branches: Sequence[Branch],
) -> ProbeRequest:
    """``branches`` of one trace; no more of it is read than the last of them needs."""
    instruction = work.study.languages[question["language"]].instruction
    braces = tokenizer.tokens_with("}") if work.study.probes.stop_at_brace else ()
    whole = work.study.probes.stop_when_stable is None
    last = max((one.position for one in branches), default=0)
    tokens = trace["token_ids"] if whole else trace["token_ids"][:last]
    return ProbeRequest(
        prompt=tuple(tokenizer.prompt(question["question"], instruction)),
        trace=tuple(tokens),
        branches=tuple(branches),
        max_tokens=work.study.probes.tokens,
        stop=(tokenizer.eos, *braces),
    )
