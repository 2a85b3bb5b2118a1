"""Reasoning traces: every question of the evaluation split, asked ``samples`` times."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mitt_assets.assets.measured import Measured
from mitt_assets.assets.models import loaded_engine, verified_model
from mitt_assets.errors import MissingInputError
from mitt_assets.method.forcing import ForcedTrace, ForcingSettings, Prompt, force_budget
from mitt_assets.method.identity import request_id, seed_of
from mitt_assets.method.requests import Continuation, Request, Sampling
from mitt_assets.tables import TRACES
from mitt_assets.work import Product, Tick, Work

if TYPE_CHECKING:
    import polars as pl

    from resources.engines.base import TraceEngine
    from resources.engines.tokenizer import ReasoningTokenizer


@dataclass(frozen=True)
class Ask:
    """One trace to be made: a row of translations, a sample number, a given opening."""

    row: Mapping[str, Any]
    sample: int
    prefix: tuple[int, ...] = ()


def make_traces(work: Work) -> Product:
    """Generate this partition's traces, in shards."""
    import polars as pl

    questions = work.table("translations").filter(pl.col("split") == "evaluation")
    prefixes = _prefixes(work)
    asks = [
        Ask(row, sample, _prefix_of(prefixes, row, sample))
        for row in questions.sort("translation_id").iter_rows(named=True)
        for sample in range(work.study.generation.samples)
    ]
    return generate(work, asks, work.study.generation.waits, str(work.variant))


def generate(work: Work, asks: Sequence[Ask], waits: int, purpose: str) -> Product:
    """Traces for ``asks`` under the partition's model and adapter."""
    model = verified_model(work)
    tokenizer = work.services.tokenizer(model)
    engine = loaded_engine(work, model)
    measured = Measured(work, engine.memory_peak)

    def compute(shard: Sequence[Ask], tick: Tick) -> pl.DataFrame:
        return _shard(work, engine, tokenizer, shard, waits, purpose, tick)

    frame = work.in_shards(asks, "generating", compute)
    generation = work.study.generation
    return Product(
        frame=frame,
        metadata={
            "traces": frame.height,
            "mean thinking tokens": frame["think_tokens"].sum() / max(1, frame.height),
            **measured.metadata(),
        },
        parameters={"engine": engine.describe(), "sampling": generation.model_dump(mode="json")},
        seeds={"generation": generation.seed},
        materials=engine.materials(model),
    )


def trace_seed(work: Work, ask: Ask, purpose: str) -> int:
    """The seed of one trace; the same for all variants, so that they differ by the model alone.

    Common random numbers make paired differences tighter and bias none of them (our choice).
    """
    kind = "training" if purpose.endswith("training") else "evaluation"
    return seed_of(
        "trace",
        work.study.generation.seed,
        kind,
        work.own["model"],
        ask.row["translation_id"],
        ask.sample,
    )


def _shard(
    work: Work,
    engine: TraceEngine,
    tokenizer: ReasoningTokenizer,
    shard: Sequence[Ask],
    waits: int,
    purpose: str,
    tick: Tick,
) -> pl.DataFrame:
    generation, languages = work.study.generation, work.study.languages
    sampling = Sampling(generation.temperature, generation.top_p)
    prompts = [
        Prompt(
            tokens=tuple(
                tokenizer.prompt(ask.row["question"], languages[ask.row["language"]].instruction)
            ),
            seed=trace_seed(work, ask, purpose),
            prefix=ask.prefix,
            wait=tuple(tokenizer.encode(languages[ask.row["language"]].wait)),
        )
        for ask in shard
    ]
    settings = ForcingSettings(
        budget=generation.budget,
        waits=waits,
        answer_tokens=generation.answer_tokens,
        think_close=tokenizer.think_close,
        eos=tokenizer.eos,
    )
    with work.model_time():
        forced = force_budget(prompts, _by_rounds(engine, sampling, tick), settings=settings)
    rows = zip(shard, prompts, forced, strict=True)
    return _frame([_row(work, tokenizer, purpose, *one) for one in rows])


def _by_rounds(
    engine: TraceEngine, sampling: Sampling, tick: Tick
) -> Callable[[Sequence[Request]], list[Continuation]]:
    """The engine as budget forcing calls it, its tokens added up over the rounds of a shard."""
    before = 0

    def generate_round(requests: Sequence[Request]) -> list[Continuation]:
        nonlocal before
        start = before
        found = engine.generate(requests, sampling, lambda done, tokens: tick(done, start + tokens))
        before += sum(len(one.tokens) for one in found)
        return found

    return generate_round


def _frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(rows, schema=TRACES.schema(), orient="row")


def _row(
    work: Work,
    tokenizer: ReasoningTokenizer,
    purpose: str,
    ask: Ask,
    prompt: Prompt,
    trace: ForcedTrace,
) -> dict[str, Any]:
    text, offsets = tokenizer.decode_with_offsets(list(trace.token_ids))
    model, question = work.own["model"], ask.row["translation_id"]
    return {
        "trace_id": request_id("trace", question, model, purpose, ask.sample),
        "translation_id": question,
        "problem_id": ask.row["problem_id"],
        "language": ask.row["language"],
        "model": model,
        "variant": work.variant,
        "sample": ask.sample,
        "seed": prompt.seed,
        "prompt_tokens": len(prompt.tokens),
        "token_ids": list(trace.token_ids),
        "text": text,
        "offsets": offsets,
        "think_tokens": trace.think_tokens,
        "think_ends": list(trace.think_ends),
        "prefix_tokens": len(ask.prefix),
        "finish_reason": trace.finish_reason,
    }


def _prefixes(work: Work) -> dict[tuple[str, int], tuple[int, ...]] | None:
    """Openings given at inference, by problem and sample; None if the variant gives none."""
    given = work.study.variants[str(work.variant)].inference_prefix
    if given is None:
        return None
    openings = work.table("openings")
    return {
        (row["problem_id"], row["sample"]): tuple(
            row["token_ids"][: min(given.tokens, row["think_tokens"])]
        )
        for row in openings.iter_rows(named=True)
    }


def _prefix_of(
    prefixes: dict[tuple[str, int], tuple[int, ...]] | None, row: Mapping[str, Any], sample: int
) -> tuple[int, ...]:
    if prefixes is None:
        return ()
    key = (row["problem_id"], sample)
    if key not in prefixes:
        raise MissingInputError(
            f"problem {key[0]}, sample {sample}: base/traces has no opening for it"
        )
    return prefixes[key]
