"""The words of the corpus: one YAML file per language, read into a frozen `Lexicon`.

A language's sentences live in data and not in code, so that a native reader can correct them
without reading Python. Positions are shared by all languages: the third gain, the second loss and
the fifth item mean the same thing everywhere, which is what makes the corpus parallel.
"""

import functools
from dataclasses import dataclass, field
from pathlib import Path

import yaml

LANGUAGES = ("en", "it", "de", "pt", "vi", "tl")
NAMES = ("Anna", "Marco", "Lena", "Pedro", "Linh", "Maria", "Jonas", "Minh", "Luca", "Rosa")
_FOLDER = Path(__file__).parent / "corpus"


@dataclass(frozen=True)
class Lexicon:
    """The sentences of one language, as templates with named blanks."""

    code: str
    name: str
    wait: str
    days: tuple[str, ...]
    gains: tuple[str, ...]
    losses: tuple[str, ...]
    items: tuple[dict[str, str], ...]
    question: dict[str, object]
    thought: dict[str, object]
    recheck: dict[str, object]
    between: tuple[str, ...] = field(default=())

    @property
    def verbs(self) -> tuple[str, ...]:
        """Gains first, then losses: a verb's position carries its sign."""
        return self.gains + self.losses

    def one(self, part: str, entry: str) -> str:
        """The single template `entry` of `part` ("question", "thought", "recheck")."""
        template = getattr(self, part)[entry]
        if not isinstance(template, str):
            raise TypeError(f"{self.code}.yaml: {part}.{entry} must be one sentence")
        return template

    def variants(self, part: str, entry: str) -> tuple[str, ...]:
        """The interchangeable templates `entry` of `part`."""
        templates = getattr(self, part)[entry]
        if not isinstance(templates, list):
            raise TypeError(f"{self.code}.yaml: {part}.{entry} must be a list of sentences")
        return tuple(str(template) for template in templates)


@functools.cache
def lexicon(language: str) -> Lexicon:
    """The lexicon of `language`, one of `LANGUAGES`; KeyError names any other code."""
    if language not in LANGUAGES:
        raise KeyError(f"no corpus for language {language!r}; there are {', '.join(LANGUAGES)}")
    raw = yaml.safe_load((_FOLDER / f"{language}.yaml").read_text(encoding="utf-8"))
    lists = {key: tuple(value) for key, value in raw.items() if isinstance(value, list)}
    return Lexicon(**{**raw, **lists})


WAIT_WORDS: dict[str, str] = {language: lexicon(language).wait for language in LANGUAGES}
