"""What a translator must not touch: formulas, numbers, units and names in mathematics.

They are put aside before a text is translated, each under a placeholder that looks like a name
(``X1``), since translation models copy names. Afterwards every placeholder must be there exactly
once, or the translation is refused: a problem with another number is another problem.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import count, product

Spans = tuple[tuple[str, str], ...]
"""Placeholders in order, each with what it stands for."""

# A dollar sign opens a formula only before, and closes one only after, what is no space, and no
# digit follows (pandoc's rule): "$18 and $20" are prices. What is opened twice begins anew, so that
# a text full of openings is read once.
FORMULA = re.compile(
    r"\$\$.+?\$\$|(?<![\\$])\$(?=\S)(?:\\.|[^$\\])+?(?<=\S)\$(?!\d)"
    r"|(?<!\\)\\\((?:[^\\]|\\[^()])+\\\)|(?<!\\)\\\[(?:[^\\]|\\[^\[\]])+\\\]",
    re.DOTALL,
)
_DRAWING = re.compile(
    r"\[asy\](?:(?!\[asy\]).)*?\[/asy\]"
    r"|\\begin\{(?P<environment>[a-z]+\*?)\}(?:(?!\\begin\{(?P=environment)\}).)*?"
    r"\\end\{(?P=environment)\}",
    re.DOTALL,
)
_COMMAND = re.compile(r"\\[A-Za-z]+(?:\s*\{[^{}]*\})*")

# Symbols of units, which all our languages write alike. The inch is told from the word "in" by its
# power. A symbol without a number is one only if it can be nothing else, and none begins an
# abbreviation ("$x$ s.t. $x > 2$").
_END = r"(?!['’]?\w|\.[^\W\d_])"
_POWER = r"(?:[²³]|\^\{?-?\d\}?)"
_SIGN = r"(?:°\s?[CF]|[%‰°′″€£¥¢])"
_SYMBOL = (
    r"(?:(?:[kcmdnµμ]?m|[kmµμ]?g|[cmd]?[lL]|[mµμn]?s|secs?|mins?|hrs?|h|[kMG]?(?:W|Hz|Pa|J|N|e?V)"
    r"|kcal|[kMGT]B|dB|K|Ω|mol|ft|yd|mi|lbs?|oz|gal|mph|kph|rpm|rad|deg)"
    rf"{_POWER}?|in{_POWER})"
)
_SYMBOLS = rf"(?:{_SIGN}|{_SYMBOL}(?:[/·⋅]{_SYMBOL})*){_END}"
_ALONE = re.compile(
    rf"(?<![\w'’])(?:°[CF]|{_SYMBOL}(?:[/·⋅]{_SYMBOL})+|[kcm]m{_POWER}?|kg|mph|kph){_END}"
)
# Words of units in English, the language that sets are translated from.
_WORD = (
    r"(?:inch(?:es)?|f(?:oo|ee)t|(?:yard|mile|(?:kilo|centi|milli|deci)?met(?:er|re)|acre|hectare"
    r"|(?:kilo|milli)?gram|pound|ounce|ton(?:ne)?|(?:milli|centi)?lit(?:er|re)|gallon|quart|pint"
    r"|second|minute|hour|day|week|month|year|degree|radian|dollar|cent|euro|knot|watt|volt|joule"
    r"|newton|unit)s?|hertz|percent|per\scent)"
)
_WORDS = (
    rf"(?i:(?:square|cubic)[\s-])?(?i:{_WORD})(?:\s(?:Celsius|Fahrenheit|squared|cubed))?"
    rf"(?:\s(?:per|an?)\s{_WORD}(?:\ssquared)?)?{_END}"
)
# Points and figures: ABC, P in "the point P". A capital letter alone is a name after a word or a
# comma only, since "A" and "I" begin sentences; a small letter alone is one unless it is a word in
# some language of the study.
_NAME = re.compile(
    r"(?<![\w'’])[A-Za-z]\([^()\s]{1,12}\)"
    r"|(?<![\w'’])[A-Z]{2,6}(?![\w'’])"
    r"|(?:(?<=[^\W\d_A-Z] )|(?<=, ))[A-HJ-Z](?![\w'’])"
    r"|(?<![\w'’.])[b-df-hj-np-tv-z](?![\w'’]|\.\w)"
)
_OPERATORS = re.compile(r"\s*[-+*/^=<>≤≥≠·×÷−–]*\s*")
_OPERATOR = re.compile(r"[-+*/^=<>≤≥≠·×÷−–]")

_SENTENCE_END = re.compile(
    r"(?<!\bMr)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<!\bMrs)[.!?…]+[\"'”’»)\]]*\s+|\s*\n\s*"
)


def protect(text: str, *, unit_words: bool = False) -> tuple[str, Spans]:
    """The text with placeholders, and what they stand for; ``restore`` undoes it exactly.

    A symbol of a unit is put aside with its number; with ``unit_words`` an English word of one too.
    """
    places = _protected(text, unit_words)
    pieces = list(_outside(text, places))
    for name in _names():
        spans = tuple((f"{name}{i}", text[a:b]) for i, (a, b) in enumerate(places, start=1))
        hidden = "".join(f"{piece}{mark}" for piece, (mark, _) in zip(pieces, spans, strict=False))
        hidden += pieces[-1]
        if placeholders(hidden, name) == [mark for mark, _ in spans]:
            return hidden, spans
    raise AssertionError("names are endless")


def restore(text: str, spans: Spans) -> str:
    """The text with everything put back; a placeholder that is not in ``spans`` stays."""
    known = dict(spans)
    return re.sub(_pattern(_name(spans)), lambda found: known.get(found[0], found[0]), text)


def complaint(text: str, spans: Spans) -> str:
    """What a translation lost, doubled or made up, in words; empty if nothing.

    ``spans`` are those of the text, or of the part of it, that was translated.
    """
    if not spans:
        return "" if text.strip() else "nothing was written"
    found = Counter(placeholders(text, _name(spans)))
    lost = [kept for mark, kept in spans if not found[mark]]
    doubled = [kept for mark, kept in spans if found[mark] > 1]
    made_up = sorted(found.keys() - dict(spans).keys())
    parts = [
        f"{what} {_listed(those)}"
        for what, those in (("lost", lost), ("doubled", doubled), ("made up", made_up))
        if those
    ]
    return "; ".join(parts)


def sentences(hidden: str) -> list[str]:
    """A text in sentences, each with the space behind it; joined they are the text."""
    ends = [found.end() for found in _SENTENCE_END.finditer(hidden)]
    bounds = [0, *(end for end in ends if end < len(hidden)), len(hidden)]
    return [hidden[a:b] for a, b in zip(bounds, bounds[1:], strict=False)]


def within(piece: str, spans: Spans) -> Spans:
    """The spans whose placeholders stand in a piece of the text."""
    if not spans:
        return ()
    there = set(placeholders(piece, _name(spans)))
    return tuple(span for span in spans if span[0] in there)


def has_words(piece: str, spans: Spans) -> bool:
    """Whether there is anything to translate beside the placeholders."""
    bare = re.sub(_pattern(_name(spans)), "", piece) if spans else piece
    return any(letter.isalpha() for letter in bare)


def placeholders(text: str, name: str) -> list[str]:
    """All placeholders of this name in a text, in order."""
    return re.findall(_pattern(name), text)


def _pattern(name: str) -> str:
    return rf"{name}[0-9]+(?![0-9])"


def _name(spans: Spans) -> str:
    return spans[0][0].rstrip("0123456789") if spans else "X"


def _names() -> Iterator[str]:
    """X, Z, Q, W, then XX, XZ and so on: letters that few words have."""
    for length in count(1):
        yield from map("".join, product("XZQW", repeat=length))


@cache
def _patterns(unit_words: bool) -> tuple[re.Pattern[str], ...]:
    """What is put aside, in the order of precedence."""
    unit = rf"[\s-]?(?:{_SYMBOLS}|{_WORDS})" if unit_words else rf"[\s-]?{_SYMBOLS}"
    measured = re.compile(rf"(?:{FORMULA.pattern})(?:{unit})?", re.DOTALL)
    number = re.compile(
        r"(?:(?<!\w)[€£¥$]\s?)?(?<![^\W\d_])\d+(?:[.,:'\u00a0\u2009\u202f/]\d+)*"
        rf"(?:_\{{?\w{{1,3}}\}}?|{unit}|[a-z](?![\w'’]))?"
    )
    return _DRAWING, measured, _COMMAND, number, _ALONE, _NAME


def _protected(text: str, unit_words: bool) -> list[tuple[int, int]]:
    """Places of what is put aside, in order, none touching another."""
    taken: list[tuple[int, int]] = []
    covered = bytearray(len(text))
    for pattern in _patterns(unit_words):
        for start, end in [found.span() for found in pattern.finditer(text) if found[0]]:
            # What begins or ends within another is part of it; what holds another is the whole.
            if not (covered[start] or covered[end - 1]):
                taken.append((start, end))
                covered[start:end] = b"\1" * (end - start)
    return _joined(text, sorted(taken))


def _joined(text: str, places: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Neighbours with only operators between them are one expression: ``3x + 5 = 11``.

    A digit right behind a place belongs to it, or it would be read as part of the placeholder.
    """
    joined: list[tuple[int, int]] = []
    for start, end in places:
        while end < len(text) and text[end].isdigit():
            end += 1
        if joined and _one_expression(text[joined[-1][1] : start]):
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _one_expression(between: str) -> bool:
    whole = _OPERATORS.fullmatch(between) is not None
    return whole and (not between or _OPERATOR.search(between) is not None)


def _outside(text: str, places: Iterable[tuple[int, int]]) -> Iterator[str]:
    """The text before, between and after the places: one piece more than places."""
    at = 0
    for start, end in places:
        yield text[at:start]
        at = end
    yield text[at:]


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(repr(text if len(text) <= 40 else f"{text[:40]}…") for text in texts)
