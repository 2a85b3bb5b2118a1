"""How traces are sampled, and how answers, languages and intervals are read off them."""

from __future__ import annotations

from pydantic import Field, field_validator

from mitt_assets.study.identified import unknown_to_langid
from mitt_assets.study.part import PAPER, Part, setting


class Generation(Part):
    """How traces are sampled."""

    temperature: float = Field(0.6, gt=0, le=2, description="DeepSeek-R1 README")
    top_p: float = Field(0.95, gt=0, le=1, description="DeepSeek-R1 README")
    samples: int = setting(
        2, "traces per problem and language", assumed="the paper's number is unknown", ge=1, le=64
    )
    budget: int = Field(10_000, ge=1, description=f"hard limit of thinking tokens ({PAPER})")
    answer_tokens: int = setting(
        32, "tokens after </think>", assumed="no source states a limit", ge=1
    )
    waits: int = setting(
        1,
        "how often the end of thinking is replaced by the wait word",
        assumed="the paper prolongs with Wait but its count is unknown (s1 uses 1 to 6)",
        ge=0,
        le=32,
    )
    seed: int = Field(1, description="of all sampling")


class Probes(Part):
    """How an answer is forced out of an unfinished thought."""

    stride: int = Field(32, ge=1, description=f"tokens between checkpoints ({PAPER})")
    opening: str = setting(
        "\n", "put before the suffix unless the trace just ended a line", assumed="after Dynasor"
    )
    suffix: str = setting(
        "</think>\n\n**Final Answer**\n\n\\boxed{",
        "forces the answer; joined as token ids",
        assumed="after Dynasor, which probes the same models; the paper's suffix is unknown",
    )
    tokens: int = setting(12, "longest forced answer", assumed="our choice, 8 to 16", ge=1, le=64)
    stop_when_stable: int | None = setting(
        None,
        "after this many equal answers in a row a trace's later checkpoints are not read but carry"
        " the last answer; all are read if empty",
        assumed="the paper reads every checkpoint; stopping is our economy",
        ge=2,
    )
    stop_at_brace: bool = Field(
        False, description="end at the first }: cheaper, but cuts an answer with braces inside"
    )


class Windows(Part):
    """How the language of a thought is read."""

    tokens: int = Field(32, ge=1, description=f"tokens per window ({PAPER})")
    segments: int = Field(20, ge=1, description=f"relative positions per trace ({PAPER})")
    rolling: int = Field(5, ge=1, description=f"segments in a rolling mean ({PAPER})")
    candidates: tuple[str, ...] = Field(
        ("en", "it", "de", "pt", "vi", "tl"), min_length=2, description="labels langid may give"
    )
    minimum_words: int = setting(
        4,
        "windows with fewer alphabetic words are undetermined",
        assumed="langid labels wordless windows English whatever they say; measured, our threshold",
        ge=0,
    )

    @field_validator("candidates")
    @classmethod
    def _known(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        complaint = unknown_to_langid(codes)
        if complaint:
            raise ValueError(complaint)
        return codes


class Statistics(Part):
    """Intervals: problems are resampled, comparisons are paired by problem."""

    resamples: int = Field(2000, ge=100, description="bootstrap resamples")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="of every interval")
    seed: int = 1
    comparisons: tuple[tuple[str, str], ...] = Field(
        (), description="pairs of variants (this minus that), the one that matters first"
    )
    reference: str = Field("en", description="language that gaps are measured to")
