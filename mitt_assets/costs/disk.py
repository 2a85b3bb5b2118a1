"""What a study's tables take on disk, before compression."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from mitt_assets.costs.amounts import probes_per_trace, traces_of
from mitt_assets.study import Study

TOKEN = 14
"""Bytes of a token in traces: its id and its offset, four each, and six of text. Our choice, above
what tokens of the study's languages have on average."""
ROW = 160
"""Bytes of a row of probes or windows: an id of 64 letters, some numbers, a short text."""
VECTOR = 768
"""Numbers of a sentence vector: those of the paper's encoder, MPNet."""


def tables(study: Study, problems: Mapping[str, int], mean_share: float = 1.0) -> int:
    """Bytes of all variants' tables; parquet with zstd takes a fraction of them."""
    evaluation, training = traces_of(study, problems)
    thought = ceil(study.generation.budget * mean_share)
    tokens = thought + 1 + study.generation.answer_tokens
    rows = probes_per_trace(study, thought) + ceil(thought / study.windows.tokens)
    vectors = (study.windows.segments + 1) * VECTOR * 4
    return (evaluation + training) * tokens * TOKEN + evaluation * (rows * ROW + vectors)
