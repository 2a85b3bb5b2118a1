"""What everything but the model costs as traces grow: nothing may be quadratic in their length.

The whole chain of a study is made and judged for 200 traces of 2,500, 5,000 and 10,000 tokens; an
engine that writes and answers at random stands in for the model. Run
`python -m benchmarks.long_traces`. Prints seconds of processor time, in which other programs count
little, by step and length, and what twice the length costs: 2 is linear.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mitt_assets.method.requests import Continuation, ProbeRequest, Request, Sampling
from resources.engines.base import ModelFiles, Progress, TraceEngine

LENGTHS = (2_500, 5_000, 10_000)
PROBLEMS, SAMPLES = 25, 8
RATIO = 2.6
"""Twice the tokens may cost this many times the seconds: linear, with room for a cache's edge."""
FLOOR = 0.3
"""Seconds below which a step is too short to be compared."""
MODEL = "llama"
CHAIN = ("traces", "probes", "windows", "segment_embeddings", "consistency")
REPORTS = ("scaling", "drift", "consistency", "variant_effects", "study")


class RandomWriter(TraceEngine):
    """Writes words of the organism until the budget ends, and answers 7; costs next to nothing."""

    def __init__(self, words: Sequence[int], answer: Sequence[int]) -> None:
        self.words = list(words)
        self.answer = tuple(answer)

    def load(self, model: ModelFiles, adapter: Path | None) -> None:
        """Nothing to load."""

    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        progress: Progress | None = None,
    ) -> list[Continuation]:
        """As many random words as are asked for."""
        return [
            Continuation(
                tuple(random.Random(one.seed).choices(self.words, k=one.max_tokens)), False
            )
            for one in requests
        ]

    def probe(
        self, requests: Sequence[ProbeRequest], progress: Progress | None = None
    ) -> list[list[tuple[int, ...]]]:
        """The same answer at every branch."""
        return [[self.answer] * len(one.branches) for one in requests]

    def describe(self) -> dict[str, Any]:
        """Says what it is."""
        return {"engine": "random words"}

    def close(self) -> None:
        """Nothing to free."""


def measure(tokens: int, folder: Path) -> dict[str, float]:
    """Seconds of every step and of its check, for traces of ``tokens`` tokens."""
    from mitt_assets.assets.chain import build_graph
    from mitt_assets.lineage.store import open_store
    from mitt_assets.materialise import Maker
    from mitt_assets.study_file import load_study
    from resources.services import StudyServices

    study = _study(load_study("organism"), tokens)
    services = StudyServices(study, folder / "cache", "cpu")
    services._engine = _writer(services)
    maker = Maker(build_graph(study), open_store(folder), folder / "scratch")
    seconds: dict[str, float] = {}
    places = [("problems", None), ("translations", "en"), ("base_model", MODEL)]
    places += [("sentence_encoder", None), *((f"base/{one}", f"en|{MODEL}") for one in CHAIN)]
    places += [(f"reports/{one}", None) for one in REPORTS]
    for asset, partition in places:
        clock = time.process_time()
        record = maker.make(asset, partition, services, "benchmark").record
        made = time.process_time()
        maker.gate.ensure(record, services)
        seconds[asset] = made - clock
        seconds[f"{asset}, check"] = time.process_time() - made
    return seconds


def _study(study: Any, tokens: int) -> Any:
    """The organism's study in one language with one model and nothing but long traces."""
    problems = study.problems.model_copy(
        update={
            "evaluation": study.problems.evaluation.model_copy(update={"count": PROBLEMS}),
            "development": None,
            "training": None,
        }
    )
    return study.model_copy(
        update={
            "name": "long",
            "languages": {"en": study.languages["en"]},
            "models": {MODEL: study.models[MODEL]},
            "variants": {"base": study.variants["base"]},
            "problems": problems,
            "generation": study.generation.model_copy(
                update={"budget": tokens, "samples": SAMPLES}
            ),
            "windows": study.windows.model_copy(update={"segments": 20, "rolling": 5}),
            "statistics": study.statistics.model_copy(update={"comparisons": ()}),
        }
    )


def _writer(services: Any) -> RandomWriter:
    tokenizer = services.tokenizer(services.model_files(MODEL))
    text = "the first of these numbers is three times what we add to it, so then there are still"
    return RandomWriter(tokenizer.encode(text), tokenizer.encode("7}"))


def main() -> int:
    """Print the table; 1 if anything grows faster than it may."""
    found = []
    with TemporaryDirectory() as folder, redirect_stderr(StringIO()):
        measure(320, Path(folder) / "warm")  # imports count for nobody
        for tokens in LENGTHS:
            found.append(measure(tokens, Path(folder) / str(tokens)))
    heads = [f"{tokens:,}" for tokens in LENGTHS]
    print(f"{'seconds at … tokens':36}" + "".join(f"{one:>9}" for one in heads) + "   growth")
    slow = []
    for name in found[-1]:
        times = [one[name] for one in found]
        growth = times[-1] / times[-2] if times[-1] > FLOOR else 0.0
        slow += [name] if growth > RATIO else []
        shown = f"{growth:8.1f}x" if growth else "        -"
        print(f"{name:36}" + "".join(f"{one:9.2f}" for one in times) + shown)
    totals = [sum(one.values()) for one in found]
    print(f"{'all':36}" + "".join(f"{one:9.2f}" for one in totals))
    if slow:
        print(f"faster than its traces grows: {', '.join(slow)}")
    return int(bool(slow))


if __name__ == "__main__":
    sys.exit(main())
