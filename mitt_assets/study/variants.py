"""Ways to run a model: as it is, with an adapter of some recipe, or with a given opening."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from mitt_assets.study.part import Part, Share, setting


class Cut(Part):
    """What is kept of a training trace: k tokens, a share of it, or (neither) the whole."""

    tokens: int | None = Field(None, ge=1)
    share: Share | None = None

    @model_validator(mode="after")
    def _one(self) -> Cut:
        if self.tokens is not None and self.share is not None:
            raise ValueError("give tokens or share, not both")
        return self


class Adapter(Part):
    """The LoRA adapter and its training. No source states these for MITT."""

    rank: int = setting(8, "LoRA rank", assumed="LoRA values are ours", ge=1)
    alpha: int = setting(16, "LoRA alpha", assumed="LoRA values are ours", ge=1)
    targets: Literal["all-linear", "qv"] = setting(
        "all-linear", "layers adapted", assumed="LoRA values are ours"
    )
    learning_rate: float = setting(2e-4, "AdamW", assumed="LoRA values are ours", gt=0)
    warmup: Share = Field(0.03, description="share of steps (UPFT, arXiv 2503.02875)")
    steps: int = setting(60, "optimiser steps", assumed="LoRA values are ours", ge=1)
    batch: int = setting(24, "sequences per step", assumed="LoRA values are ours", ge=1)
    pass_tokens: int = Field(
        8192, ge=1, description="padded tokens in one forward pass; a step sums over its passes"
    )
    packed: bool = Field(
        False, description="sequences of a pass behind each other in one row, without padding"
    )
    seed: int = 1


class Recipe(Part):
    """Choose traces, cut, mix, pair with prompts, train: one schema for all recipes."""

    source_model: str = Field("self", description="self, or the slug of a teacher")
    source_languages: tuple[str, ...] = Field(("en",), min_length=1)
    prompt_languages: tuple[str, ...] | Literal["own"] = setting(
        ("en",),
        "languages of the prompts; own: each trace under its own language's prompt",
        assumed="the paper does not say in which language the tuning prompts are",
    )
    cut: Cut = setting(
        Cut(tokens=31), "what is kept of a trace", assumed="the caption says under 32 tokens"
    )
    whole_share: Share = setting(
        0.10,
        "share of sequences that are whole traces (the anchor)",
        assumed="10 % in UPFT; no source states it for MITT",
    )
    whole_languages: tuple[str, ...] = Field(("en",), description="languages of the anchor")
    problems: int | None = Field(None, ge=1, description="training problems used; all if empty")
    adapter: Adapter = Adapter()


class Prefix(Part):
    """A prefix given at inference instead of training."""

    language: str = Field("en", description="whose opening of the same problem and sample is given")
    tokens: int = setting(31, "length", assumed="the caption says under 32 tokens", ge=1)


class Variant(Part):
    """One way to run every model: as it is, with an adapter, or with a given opening."""

    title: str = ""
    recipe: Recipe | None = None
    inference_prefix: Prefix | None = None

    @model_validator(mode="after")
    def _one(self) -> Variant:
        if self.recipe is not None and self.inference_prefix is not None:
            raise ValueError("a variant has a recipe or an inference_prefix, not both")
        return self
