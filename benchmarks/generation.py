"""Tokens per second by batch size, beside the library's own ``generate`` at the same sizes."""

from __future__ import annotations

import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.random_reasoner import VOCABULARY, random_reasoner, timed
from mitt_assets.method.requests import Request, Sampling
from resources.engines.transformers_engine import TransformersEngine

BATCHES = (1, 32, 120, 256)
PROMPT, LENGTHS = 90, (100, 260)
SAMPLING = Sampling(temperature=0.6, top_p=0.95)


def requests(count: int) -> list[Request]:
    """Prompts of one length; traces of lengths as uneven as real ones, and no stop token."""
    draw = random.Random(0)
    return [
        Request(
            tuple(draw.randrange(VOCABULARY) for _ in range(PROMPT)),
            seed=draw.getrandbits(63),
            max_tokens=draw.randint(*LENGTHS),
            stop=(),
        )
        for _ in range(count)
    ]


def library_seconds(model: Any, asked: list[Request]) -> float:
    """The library's loop, which computes every row to the longest one's end."""
    import torch

    prompts = torch.tensor([request.tokens for request in asked])
    longest = max(request.max_tokens for request in asked)
    _, seconds = timed(
        lambda: model.generate(
            prompts,
            attention_mask=torch.ones_like(prompts),
            max_new_tokens=longest,
            do_sample=True,
            temperature=SAMPLING.temperature,
            top_p=SAMPLING.top_p,
            top_k=0,
            eos_token_id=None,
            pad_token_id=0,
        )
    )
    return seconds


def main() -> None:
    from transformers import LlamaForCausalLM

    with TemporaryDirectory() as folder:
        files = random_reasoner(Path(folder))
        engine = TransformersEngine("cpu")
        engine.load(files, None)
        library = LlamaForCausalLM.from_pretrained(folder).eval()
        engine.generate(requests(2), SAMPLING)
        print("rows  engine tokens/s  library tokens/s  ratio")
        for rows in BATCHES:
            asked = requests(rows)
            made, ours = timed(lambda asked=asked: engine.generate(asked, SAMPLING))
            tokens = sum(len(continuation.tokens) for continuation in made)
            theirs = library_seconds(library, asked)
            print(f"{rows:4} {tokens / ours:16.0f} {tokens / theirs:17.0f} {theirs / ours:6.1f}")


if __name__ == "__main__":
    main()
