"""Packed probes against every prefix run afresh: ratio, and that the answers are equal.

Long traces one by one, as on a paper's models, then a shard of short ones beside the cost of
generating them, as in the embedded default.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

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
    places = [*range(STRIDE, len(trace), STRIDE), len(trace)]
    return ProbeRequest(prompt, trace, tuple(Branch(p, SUFFIX) for p in places), ANSWER, STOP)


def long_traces(packed: TransformersEngine, naive: TransformersEngine) -> bool:
    draw = random.Random(0)
    equal = True
    for length in LENGTHS:
        asked = [probe_of(drawn(draw, PROMPT), drawn(draw, length))]
        slow, naive_seconds = timed(lambda asked=asked: naive.probe(asked))
        fast, packed_seconds = timed(lambda asked=asked: packed.probe(asked))
        equal &= fast == slow
        print(
            f"T = {length}: naive {naive_seconds:.2f} s, packed {packed_seconds:.3f} s, "
            f"ratio {naive_seconds / packed_seconds:.1f}, equal {fast == slow}"
        )
    return equal


def short_traces(packed: TransformersEngine, naive: TransformersEngine) -> bool:
    draw = random.Random(1)
    asked = [
        Request(drawn(draw, PROMPT), number, draw.randint(*SHARD_LENGTHS), ())
        for number in range(SHARD)
    ]
    made, generating = timed(lambda: packed.generate(asked, Sampling(0.6, 0.95)))
    probes = [probe_of(r.tokens, c.tokens) for r, c in zip(asked, made, strict=True)]
    slow, naive_seconds = timed(lambda: naive.probe(probes))
    fast, packed_seconds = timed(lambda: packed.probe(probes))
    print(
        f"{SHARD} traces of {SHARD_LENGTHS[0]}-{SHARD_LENGTHS[1]}: generating {generating:.2f} s, "
        f"naive {naive_seconds:.2f} s, packed {packed_seconds:.2f} s, "
        f"ratio {naive_seconds / packed_seconds:.1f}, equal {fast == slow}, "
        f"packed to generating {packed_seconds / generating:.2f}"
    )
    return fast == slow


def main() -> int:
    with TemporaryDirectory() as folder:
        files = random_reasoner(Path(folder))
        engines = TransformersEngine("cpu", "packed"), TransformersEngine("cpu", "naive")
        warm = [probe_of((1, 2, 3), tuple(range(70)))]
        for engine in engines:
            engine.load(files, None)
            engine.probe(warm)
        same = [long_traces(*engines), short_traces(*engines)]
    return 0 if all(same) else 1


if __name__ == "__main__":
    sys.exit(main())
