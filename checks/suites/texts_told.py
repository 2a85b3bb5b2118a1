"""What a text says in numbers and formulas, in whatever way its language writes them.

A translation may write 1,000 as 1 000, 2:30 pm as 14:30, "3-digit" as "dreistellig" and $x^{2}$ as
$x^2$. All of these are honest, so all of them compare as equal here.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import product

from mitt_assets.method.protection import FORMULA

_PROSE = re.compile(r"\\(?:text|mathrm|textbf|mbox)\s*\{[^{}]*\}")
_DELIMITERS = re.compile(r"^(?:\$\$?|\\[(\[])|(?:\$\$?|\\[)\]])$")
_SIZES = re.compile(r"\\(?:left|right|[bB]igg?[lr]?)(?![A-Za-z])")
_FRACTION = re.compile(r"\\[dt]frac(?![A-Za-z])")
_BRACED = re.compile(r"\{(\w)\}")

# Separators differ between languages (1,000.5 and 1.000,5), so only the digits are compared.
_SEPARATOR = re.compile(r"(?<=\d)(?:[.,'\u00a0\u2009\u202f]|\{,\})(?=\d)")
_SPACED = re.compile(r"(?<![\d.,])\d{1,3}(?: \d{3})+(?!\d)")
_NUMBER = re.compile(r"\d+")
# The hour of a clock with its minutes, its word, or am and pm; hours count modulo twelve, since
# "2:30 pm", "14:30" and "2:30 ng hapon" are the same.
_CLOCK = re.compile(
    r"(?<![\d:])(?P<hour>[01]?\d|2[0-4])"
    r"(?:\s*[:h]\s*(?P<minutes>[0-5]\d)(?![\d:])"
    r"|\s*(?:giờ|Uhr)\b(?:\s*(?P<after>[0-5]\d)\b)?"
    r"|(?=\s*[ap]\.?\s?m\b))"
)

_WORDS = {
    "en": "two;three|third;four|fourth;five|fifth;six|sixth;seven|seventh;eight|eighth;nine|ninth;"
    "ten|tenth;eleven|eleventh;twelve|twelfth",
    "de": "zwei|zweit;drei|dritt;vier|viert;fünf|fünft;sechs|sechst;sieben|siebt;acht;neun|neunt;"
    "zehn|zehnt;elf|elft;zwölf|zwölft",
    "it": "due;tre|terz;quattro|quart;cinque|quint;sei|sest;sette|settim;otto|ottav;nove;"
    "dieci|decim;undici;dodici",
    "pt": "dois|duas;três|terceir;quatro|quart;cinco|quint;seis|sext;sete|sétim;oito|oitav;nove;"
    "dez|décim;onze;doze",
    "vi": "hai;ba;bốn|tư;thứ năm|năm chữ số;sáu;bảy|bẩy;tám;chín;mười;mười một;mười hai",
    "tl": "dalawa|ikalawa;tatlo|ikatlo;apat|ikaapat;lima|ikalima;anim|ikaanim;pito|ikapito;"
    "walo|ikawalo;siyam|ikasiyam;sampu|ikasampu;labing-isa;labindalawa",
}
"""Words for 2 to 12, counting and ordinal. "One" is an article in most of these languages, and
words that mostly mean something else ("secondo", "non", "năm") are left out."""
_ENDINGS = {
    "de": r"(?:e[rsnm]?|(?:stellig|ziffrig|fach|mal|dimensional|seitig|prozentig)\w*)?",
    "it": "[oaie]?",
    "pt": "(?:[oa]s?)?",
    "tl": "(?:ng)?",
}


def compared_numbers(
    source: str, text: str, languages: tuple[str, str]
) -> tuple[list[str], list[str]]:
    """The numbers outside formulas of a source and its translation, as digits and in order.

    ``languages`` are theirs. Spaces between digits are read so that most numbers agree, and a
    number that only one of the two writes in digits counts for neither where the other says it in
    a word.
    """
    pairs = product(_readings(source), _readings(text))
    told, found = min(pairs, key=lambda pair: sum(_apart(*pair).values()))
    missing, own = Counter(told) - Counter(found), Counter(found) - Counter(told)
    _drop(told, missing, text, languages[1])
    _drop(found, own, source, languages[0])
    return told, found


def formulas(text: str) -> list[str]:
    """Every formula in a text, without spacing, separators, delimiters and the words inside."""
    return [_bare(one) for one in FORMULA.findall(text)]


def _bare(formula: str) -> str:
    inside = _DELIMITERS.sub("", _PROSE.sub("", formula))
    inside = _FRACTION.sub(r"\\frac", _SIZES.sub("", inside))
    return _BRACED.sub(r"\1", "".join(_SEPARATOR.sub("", inside).split()))


def _readings(text: str) -> list[list[str]]:
    """The numbers of a text, and, where they differ, those with "1 000" taken as one."""
    bare = _CLOCK.sub(_clock, FORMULA.sub(" ", text))
    joined = _SPACED.sub(lambda found: found[0].replace(" ", ""), bare)
    return [_digits(one) for one in dict.fromkeys((bare, joined))]


def _digits(text: str) -> list[str]:
    found = _NUMBER.findall(_SEPARATOR.sub("", text))
    return ["".join(str(unicodedata.digit(c, c)) for c in one) for one in found]


def _clock(found: re.Match[str]) -> str:
    minutes = found["minutes"] or found["after"] or ""
    return f" {int(found['hour']) % 12} {minutes} "


def _apart(told: Sequence[str], found: Sequence[str]) -> Counter[str]:
    one, other = Counter(told), Counter(found)
    return (one - other) + (other - one)


def _drop(numbers: list[str], among: Counter[str], text: str, language: str) -> None:
    """Take out of ``numbers`` those ``among`` them that the text says in words."""
    for number, times in among.items():
        for _ in range(min(times, _times_said(number, text, language))):
            numbers.remove(number)


def _times_said(number: str, text: str, language: str) -> int:
    words = _WORDS.get(language, "").split(";")
    place = int(number) - 2
    if not 0 <= place < len(words):
        return 0
    pattern = rf"(?<!\w)(?:{words[place]}){_ENDINGS.get(language, '')}(?!\w)"
    return len(re.findall(pattern, FORMULA.sub(" ", text), re.IGNORECASE))


def sides(due: Iterable[str], found: Iterable[str]) -> tuple[str, str, str]:
    """What is due, what of it was found and all that was found, each sorted: word order differs."""
    told, there = Counter(due), Counter(found)
    listed = (told, told & there, there)
    return tuple("  ".join(sorted(one.elements())) for one in listed)  # type: ignore[return-value]
