"""The recipe of the reasoners, read from `recipe.yaml` and fixed before the first training."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Recipe:
    """The numbers of `recipe.yaml`; the comments there say what each one means."""

    seed: int
    trainings: dict[str, dict[str, Any]]
    mixture: dict[str, Any]
    tokenizer: dict[str, int]
    model: dict[str, Any]
    optimiser: dict[str, Any]
    development: dict[str, Any]
    encoder: dict[str, Any]

    def training(self, slug: str) -> dict[str, Any]:
        """Shape and token budget of a reasoner; KeyError names an unknown slug."""
        if slug not in self.trainings:
            raise KeyError(f"no reasoner {slug!r}; there are {', '.join(self.trainings)}")
        return self.trainings[slug]


@functools.cache
def recipe() -> Recipe:
    """The recipe that ships with the package."""
    text = (Path(__file__).parent / "recipe.yaml").read_text(encoding="utf-8")
    return Recipe(**yaml.safe_load(text))
