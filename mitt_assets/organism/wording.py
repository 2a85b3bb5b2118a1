"""The wording rule: a small reasoner finds a number again by the word directly before it.

In question, first pass and re-check the same word must stand directly before an event's number,
and no other number of the problem may follow that word. Where grammar forbids it, as with Tagalog
"ng", a language names the words that may stand between.
"""

import random
import re
from collections.abc import Callable, Sequence

from mitt_assets.organism.lexicon import lexicon
from mitt_assets.organism.problems import Scenario, render_question
from mitt_assets.organism.traces import first_pass, recheck

_ARITHMETIC = re.compile(r" \d+ [+-] \d+ = \d+")
_PIECES = re.compile(r"\d+|[^\W\d]+(?:[-'][^\W\d]+)*")


def split_words(text: str) -> list[str]:
    """Words and numbers of `text`, punctuation dropped, lower case."""
    return [piece.lower() for piece in _PIECES.findall(text)]


def wording_violations(
    scenario: Scenario,
    language: str,
    split: Callable[[str], Sequence[str]] = split_words,
) -> list[str]:
    """What breaks the wording rule for this problem in `language`; empty when it holds.

    `split` may be a tokenizer's view of the text, so that the rule can also be checked on tokens.
    """
    rng = random.Random(0)
    totals = _totals(scenario)
    nothing: frozenset[int] = frozenset()
    wait = lexicon(language).wait
    readings = {
        "question": render_question(scenario, language),
        "first pass": first_pass(scenario, language, totals, nothing, None, rng),
        "re-check": recheck(scenario, language, totals, nothing, wait, rng),
    }
    markers = {place: _markers(text, language, scenario, split) for place, text in readings.items()}
    problems = [
        f"{language} {place}: {found} where the question has {markers['question']}"
        for place, found in markers.items()
        if found != markers["question"]
    ]
    expected = len(scenario.events) + 1
    if len(set(markers["question"])) != expected:
        problems.append(f"{language}: {markers['question']} are not {expected} different markers")
    return problems


def _totals(scenario: Scenario) -> tuple[int, ...]:
    totals = [scenario.start]
    for event in scenario.events:
        totals.append(totals[-1] + event.signed)
    return tuple(totals)


def _markers(
    text: str, language: str, scenario: Scenario, split: Callable[[str], Sequence[str]]
) -> list[str]:
    """The distinguishing word before the start and before each event's number, in order."""
    between = lexicon(language).between
    pieces = [piece.strip() for piece in split(_ARITHMETIC.sub("", text))]
    found: list[str] = []
    for i, piece in enumerate(pieces):
        if piece.isdecimal() and i > 0 and len(found) <= len(scenario.events):
            back = i - 2 if pieces[i - 1] in between else i - 1
            found.append(pieces[back])
    return found
