"""The embedded default: a parallel corpus, tiny reasoners and a sentence encoder.

Everything a study needs to run from end to end on one processor core without a download. What was
put into the models and what is measured on them is told in this folder's README.
"""

from pathlib import Path

from mitt_assets.organism.lexicon import LANGUAGES, WAIT_WORDS

__all__ = ["LANGUAGES", "SLUGS", "WAIT_WORDS", "checkpoint_path", "encoder_path"]

SLUGS = ("llama", "llama-long", "qwen", "qwen-long")
_FOLDER = Path(__file__).parent


def checkpoint_path(slug: str) -> Path:
    """The folder of a shipped reasoner; KeyError names an unknown slug."""
    if slug not in SLUGS:
        raise KeyError(f"no shipped reasoner {slug!r}; there are {', '.join(SLUGS)}")
    return _FOLDER / "checkpoints" / slug


def encoder_path() -> Path:
    """The folder of the shipped sentence encoder."""
    return _FOLDER / "encoder"
