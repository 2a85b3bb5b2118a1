"""Packed probes against every prefix run afresh: ratios, and that the answers are equal.

Long traces one at a time, as on a paper's models. The naive way is the library's ``generate`` on
each prefix; the stronger peers are our own lean loop on each prefix, and on all prefixes in one
batch. The ratio of computed tokens beside them is what a large model would gain. Then a shard of
short traces beside the cost of generating them, as in the embedded default.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.random_reasoner import VOCABULARY, random_reasoner, timed
from mitt_assets.method.requests import Branch, ProbeRequest, Request, Sampling
from resources.engines.transformers_engine import TransformersEngine

STRIDE = 32
SUFFIX = tuple(range(20, 31))
ANSWER = 12
STOP = tuple(range(0, VOCABULARY, 4))
LENGTHS = (512, 2_048)
PROMPT = 90
SHARD, SHARD_LENGTHS = 120, (150, 280)


def drawn(draw: random.Random, length: int) -> tuple[int, ...]:
    return tuple(draw.randrange(VOCABULARY) for _ in range(length))


def probe_of(prompt: tuple[int, ...], trace: tuple[int, ...]) -> ProbeRequest:
    """Checkpoints every 32 tokens and at the end."""
    places = sorted({*range(STRIDE, len(trace), STRIDE), len(trace)})
    return ProbeRequest(prompt, trace, tuple(Branch(p, SUFFIX) for p in places), ANSWER, STOP)


def computed_tokens(engine: TransformersEngine, asked: Sequence[ProbeRequest]) -> int:
    counted = [0]
    engine.probe(asked, lambda requests, tokens: counted.append(tokens))
    return counted[-1]


def library_answer(model: Any, tokens: tuple[int, ...]) -> tuple[int, ...]:
    """The library's greedy continuation of one prefix, its own way."""
    import torch

    prefix = torch.tensor([tokens])
    written = model.generate(
        prefix,
        attention_mask=torch.ones_like(prefix),
        max_new_tokens=ANSWER,
        do_sample=False,
        eos_token_id=list(STOP),
        pad_token_id=0,
    )
    return tuple(written[0, len(tokens) :].tolist())


def long_trace(
    packed: TransformersEngine, naive: TransformersEngine, library: Any, length: int
) -> bool:
    draw = random.Random(length)
    asked = [probe_of(drawn(draw, PROMPT), drawn(draw, length))]
    single = [replace(asked[0], branches=(branch,)) for branch in asked[0].branches]
    tokens = computed_tokens(naive, asked) / computed_tokens(packed, asked)
    whole = [asked[0].prompt + asked[0].trace[: b.position] + b.suffix for b in asked[0].branches]
    plain, theirs = timed(lambda: [library_answer(library, prefix) for prefix in whole])
    _, alone = timed(lambda: [naive.probe([one]) for one in single])
    slow, together = timed(lambda: naive.probe(asked))
    fast, seconds = min((timed(lambda: packed.probe(asked)) for _ in range(3)), key=lambda r: r[1])
    print(
        f"T = {length}: packed {seconds:.3f} s; the library, prefix by prefix, {theirs:.2f} s, "
        f"ratio {theirs / seconds:.1f}; our loop, prefix by prefix, {alone:.2f} s, "
        f"ratio {alone / seconds:.1f}; in one batch {together:.2f} s, "
        f"ratio {together / seconds:.1f}; computed tokens {tokens:.1f}; "
        f"equal {fast == slow == [plain]}"
    )
    return fast == slow == [plain]


def short_traces(packed: TransformersEngine, naive: TransformersEngine) -> bool:
    draw = random.Random(1)
    asked = [
        Request(drawn(draw, PROMPT), number, draw.randint(*SHARD_LENGTHS), ())
        for number in range(SHARD)
    ]
    made, generating = timed(lambda: packed.generate(asked, Sampling(0.6, 0.95)))
    probes = [probe_of(r.tokens, c.tokens) for r, c in zip(asked, made, strict=True)]
    slow, together = timed(lambda: naive.probe(probes))
    fast, seconds = timed(lambda: packed.probe(probes))
    print(
        f"{SHARD} traces of {SHARD_LENGTHS[0]} to {SHARD_LENGTHS[1]}: packed {seconds:.2f} s; "
        f"afresh in batches {together:.2f} s, ratio {together / seconds:.1f}; generating them "
        f"{generating:.2f} s, packed costs {seconds / generating:.2f} of that; "
        f"equal {fast == slow}"
    )
    return fast == slow


def main() -> int:
    from transformers import LlamaForCausalLM

    with TemporaryDirectory() as folder:
        files = random_reasoner(Path(folder))
        engines = TransformersEngine("cpu", "packed"), TransformersEngine("cpu", "naive")
        for engine in engines:
            engine.load(files, None)
        library = LlamaForCausalLM.from_pretrained(folder).eval()
        same = [long_trace(*engines, library, length) for length in LENGTHS]
        same.append(short_traces(*engines))
    return 0 if all(same) else 1


if __name__ == "__main__":
    sys.exit(main())
