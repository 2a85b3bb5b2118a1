"""The study: one validated configuration, received by everything else.

A study is a YAML file with one pydantic model behind it. Unknown keys are refused, every default is
written out by ``mitt study show``, and every value that no primary source states is marked as an
assumption in its field, so that the report can print all of them without a second list.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from mitt_assets.study.engines import (
    Endpoint,
    Engine,
    Server,
    Vllm,
)
from mitt_assets.study.measures import (
    Generation,
    Probes,
    Statistics,
    Windows,
)
from mitt_assets.study.names import undeclared_names
from mitt_assets.study.part import (
    PAPER,
    Part,
    Share,
    Slug,
    setting,
)
from mitt_assets.study.sources import (
    Answer,
    Columns,
    Encoder,
    Language,
    Model,
    Problems,
    Shape,
    Split,
    Translation,
)
from mitt_assets.study.variants import (
    Adapter,
    Cut,
    Prefix,
    Recipe,
    Variant,
)

__all__ = [
    "Adapter",
    "Answer",
    "Columns",
    "Cut",
    "Encoder",
    "Endpoint",
    "Engine",
    "Generation",
    "Language",
    "Model",
    "PAPER",
    "Part",
    "Prefix",
    "Probes",
    "Problems",
    "Recipe",
    "Server",
    "Shape",
    "Share",
    "Slug",
    "Split",
    "Statistics",
    "Study",
    "Translation",
    "Variant",
    "Vllm",
    "Windows",
    "preset_path",
    "setting",
]


class Study(Part):
    """A whole study. ``mitt study show`` prints it with every default written out."""

    name: Slug
    title: str = ""
    languages: dict[Slug, Language] = Field(min_length=1)
    models: dict[Slug, Model] = Field(min_length=1)
    problems: Problems = Problems()
    translation: Translation = Translation()
    engine: Engine = Engine()
    generation: Generation = Generation()
    probes: Probes = Probes()
    windows: Windows = Windows()
    encoder: Encoder = Encoder()
    variants: dict[Slug, Variant] = Field(min_length=1)
    statistics: Statistics = Statistics()

    @model_validator(mode="after")
    def _names_exist(self) -> Study:
        complaints = undeclared_names(self)
        if complaints:
            raise ValueError("; ".join(complaints))
        return self


def preset_path(name: str) -> Path:
    """Where the shipped study ``name`` lies."""
    return Path(__file__).parents[1] / "studies" / f"{name}.yaml"
