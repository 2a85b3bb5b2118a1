"""Random but well-formed tables for the estimates: every column real, every answer a coin."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

import polars as pl

from mitt_assets.method.probing import ProbeForm, plan_branches
from mitt_assets.method.windows import segment_of, window_bounds
from mitt_assets.study import Study
from mitt_assets.tables import CONSISTENCY, PROBES, TRACES, WINDOWS

WORDS = ("now ", "it ", "is ", "seven. ", "so\n", "ano ", "x", "19!\n", " ")


@dataclass(frozen=True)
class Tables:
    """What the reports read."""

    traces: pl.DataFrame
    probes: pl.DataFrame
    windows: pl.DataFrame
    consistency: pl.DataFrame


def study_of(**changes: Any) -> Study:
    """A small study: three languages, two variants, budget 150 (no multiple of the stride)."""
    languages = {
        code: {"name": code, "level": "mid", "wait": "Wait"} for code in ("en", "de", "tl")
    }
    settings: dict[str, Any] = {
        "name": "small",
        "languages": languages,
        "models": {"m": {"source": "x"}},
        "variants": {"base": {}, "mitt": {"inference_prefix": {"tokens": 4}}},
        "generation": {"budget": 150, "waits": 2, "samples": 3},
        "windows": {"segments": 4, "candidates": ["en", "de", "tl"]},
        "statistics": {"resamples": 100},
        "problems": {"answer": {"low": 0, "high": 60}},
    }
    return Study.model_validate(settings | changes)


def tables_of(study: Study, problems: int, seed: int) -> Tables:
    """Tables of ``problems`` problems for every model, variant and language."""
    draw = Random(seed)
    traces, probes, windows, similar = [], [], [], []
    for model in study.models:
        for variant in study.variants:
            for language in study.languages:
                place = {"model": model, "variant": variant, "language": language}
                for number in range(problems):
                    problem = f"p{number:03d}"
                    similar += _similar(draw, study, place | {"problem_id": problem})
                    for sample in range(study.generation.samples):
                        trace = _trace(draw, study, place, problem, sample)
                        traces.append(trace)
                        probes += _probes(draw, study, trace)
                        windows += _windows(draw, study, trace)
    added = dict.fromkeys(("model", "variant", "language"), pl.String())
    return Tables(
        pl.DataFrame(traces, schema=TRACES.schema()),
        pl.DataFrame(probes, schema=PROBES.schema(), orient="row"),
        pl.DataFrame(windows, schema=WINDOWS.schema(), orient="row"),
        pl.DataFrame(similar, schema=CONSISTENCY.schema() | added),
    )


def _trace(
    draw: Random, study: Study, place: dict[str, str], problem: str, sample: int
) -> dict[str, Any]:
    budget = study.generation.budget
    stops = sorted(draw.sample(range(1, budget), study.generation.waits + 1))
    made = draw.randint(0, study.generation.waits)
    cut = draw.random() < 0.3
    think_tokens = budget if cut else stops[made]
    pieces = [draw.choice(WORDS) for _ in range(think_tokens + (0 if cut else 3))]
    starts = [0]
    for piece in pieces:
        starts.append(starts[-1] + len(piece))
    question = f"{problem}-{place['language']}"
    return place | {
        "trace_id": f"{place['model']}-{place['variant']}-{question}-{sample}",
        "translation_id": question,
        "problem_id": problem,
        "sample": sample,
        "seed": draw.getrandbits(63),
        "prompt_tokens": 9,
        "token_ids": [1] * len(pieces),
        "text": "".join(pieces),
        "offsets": starts[:-1],
        "think_tokens": think_tokens,
        "think_ends": stops[:made],
        "prefix_tokens": 0,
        "finish_reason": "budget" if cut else "stop",
    }


def _probes(draw: Random, study: Study, trace: dict[str, Any]) -> list[tuple[Any, ...]]:
    plan = plan_branches(
        think_tokens=trace["think_tokens"],
        think_ends=trace["think_ends"],
        ended=trace["finish_reason"] != "budget",
        own=False,
        form=ProbeForm(study.probes.stride, (), (5,)),
        ends_line=lambda _: True,
    )
    rows = []
    for one in plan:
        right = draw.random() < 0.3 + 0.4 * one.budget / study.generation.budget
        answer = "7" if right else "8"
        place = (trace["trace_id"], one.kind, one.waits, one.budget)
        rows.append((*place, "", False, answer, right, False))
    return rows


def _windows(draw: Random, study: Study, trace: dict[str, Any]) -> list[tuple[Any, ...]]:
    bounds = window_bounds(trace["think_tokens"], study.windows.tokens)
    rows = []
    for window, (start, end) in enumerate(bounds):
        raw = draw.choice((trace["language"], *study.windows.candidates))
        words = draw.randint(0, 12)
        label = raw if words >= study.windows.minimum_words else "undetermined"
        segment = segment_of(window, len(bounds), study.windows.segments)
        place = (trace["trace_id"], window, start, end, words)
        rows.append((*place, label, raw, 0.9, False, segment))
    return rows


def _similar(draw: Random, study: Study, place: dict[str, str]) -> list[dict[str, Any]]:
    units = [("initial", 0)] + [("segment", s) for s in range(study.windows.segments)]
    names = ("within", "to_english", "within_rolling", "to_english_rolling")
    return [
        place
        | {"unit": unit, "segment": segment, "n": 3}
        | {name: draw.random() if draw.random() < 0.9 else None for name in names}
        for unit, segment in units
    ]
