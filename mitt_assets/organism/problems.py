"""Running-total word problems, and the rule that keeps their four splits apart.

A problem is a start and two to six events, one per weekday. Two problems are the same when start
and signed operands are the same, whatever the names, things, verbs and days; that canonical key
decides the split by its SHA-256. Splits are therefore disjoint by construction and need no list.
"""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass

from mitt_assets.organism.lexicon import LANGUAGES, NAMES, WAIT_WORDS, Lexicon, lexicon

__all__ = [
    "LANGUAGES",
    "WAIT_WORDS",
    "Event",
    "OrganismProblem",
    "Scenario",
    "draw",
    "draw_scenarios",
    "render_question",
    "split_of",
]

# Tenths of the key space; our choice.
_TENTHS = ("evaluation",) * 2 + ("development",) + ("training",) + ("pretraining",) * 6
SPLITS = ("evaluation", "development", "training", "pretraining")
HIGHEST_TOTAL = 60


@dataclass(frozen=True)
class Event:
    """One thing that happens: a weekday 0-6, a verb 0-9 (0-4 gain, 5-9 lose), an operand 1-9."""

    day: int
    verb: int
    operand: int

    @property
    def signed(self) -> int:
        """The operand with the sign its verb gives it."""
        return self.operand if self.verb < 5 else -self.operand


@dataclass(frozen=True)
class Scenario:
    """What a problem says, before any language: positions in the lexicon and numbers."""

    start: int
    events: tuple[Event, ...]
    name: str
    item: int
    ask: int

    @property
    def key(self) -> str:
        """Start and signed operands, e.g. ``12+7-3``: equal keys are the same problem."""
        return str(self.start) + "".join(f"{event.signed:+d}" for event in self.events)

    @property
    def answer(self) -> int:
        """The total after the last event, 0-60."""
        return self.start + sum(event.signed for event in self.events)


@dataclass(frozen=True)
class OrganismProblem:
    """A problem of a split, asked in every language; `row` is its position in the draw."""

    row: int
    key: str
    answer: int
    questions: dict[str, str]


def split_of(key: str) -> str:
    """The one split that a canonical key belongs to."""
    digest = hashlib.sha256(key.encode("ascii")).digest()
    return _TENTHS[int.from_bytes(digest[:8], "big") % len(_TENTHS)]


def draw(split: str, count: int, seed: int) -> list[OrganismProblem]:
    """Draw `count` different problems of `split`; the same arguments give the same list anywhere.

    Raises:
        ValueError: the split is unknown, or `count` is not positive.
    """
    return [
        OrganismProblem(
            row=row,
            key=scenario.key,
            answer=scenario.answer,
            questions={code: render_question(scenario, code) for code in LANGUAGES},
        )
        for row, scenario in enumerate(draw_scenarios(split, count, seed))
    ]


def draw_scenarios(split: str, count: int, seed: int) -> list[Scenario]:
    """Like `draw`, before wording. Short problems run out first, longer ones take their place."""
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; there are {', '.join(SPLITS)}")
    if count < 1:
        raise ValueError(f"count must be at least 1, not {count}")
    kept: dict[str, Scenario] = {}
    for scenario in _candidates(random.Random(f"{split}/{seed}")):
        if scenario.key not in kept and split_of(scenario.key) == split:
            kept[scenario.key] = scenario
        if len(kept) == count:
            break
    return list(kept.values())


def _candidates(rng: random.Random) -> Iterator[Scenario]:
    while True:
        count = rng.randint(2, 6)
        verbs = rng.sample(range(10), count)
        days = sorted(rng.sample(range(7), count))
        start = rng.randint(5, 40)
        events = tuple(
            Event(day, verb, rng.randint(1, 9)) for day, verb in zip(days, verbs, strict=True)
        )
        name, item, ask = rng.choice(NAMES), rng.randrange(10), rng.randrange(3)
        if _totals_stay_in_range(start, events):
            yield Scenario(start, events, name, item, ask)


def _totals_stay_in_range(start: int, events: tuple[Event, ...]) -> bool:
    total = start
    for event in events:
        total += event.signed
        if not 0 <= total <= HIGHEST_TOTAL:
            return False
    return True


def render_question(scenario: Scenario, language: str) -> str:
    """The problem as one paragraph in `language`."""
    words = lexicon(language)
    blanks = item_blanks(scenario, words)
    sentences = [
        words.one("question", "start").format(
            start=scenario.start, item=item_form(scenario, words, scenario.start), **blanks
        )
    ]
    for event in scenario.events:
        sentences.append(
            words.one("question", "event").format(
                day=words.days[event.day],
                verb=words.verbs[event.verb],
                n=event.operand,
                item=item_form(scenario, words, event.operand),
                **blanks,
            )
        )
    sentences.append(words.variants("question", "ask")[scenario.ask].format(**blanks))
    return " ".join(sentences)


def item_form(scenario: Scenario, words: Lexicon, number: int) -> str:
    """The thing's name as it stands behind `number`."""
    return words.items[scenario.item]["one" if number == 1 else "many"]


def item_blanks(scenario: Scenario, words: Lexicon) -> dict[str, str]:
    """The blanks that depend on who and what: name, plural, article, classifier, "how many"."""
    item = words.items[scenario.item]
    how_many = item.get("how_many", "")
    return {
        "name": scenario.name,
        "many": item["many"],
        "the": item.get("the", ""),
        "unit": item.get("unit", ""),
        "how_many": how_many,
        "How_many": how_many.capitalize(),
    }
