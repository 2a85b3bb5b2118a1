"""Numbers and foreign text as a person reads them.

Text in the report comes from models, translations, error messages and file names. None of it may
change the page: control characters, terminal sequences and marks that reorder text are shown as
visible symbols. Escaping for HTML is the template's.
"""

from __future__ import annotations

import math
import unicodedata

MINUS = "\u2212"


def number(value: float | None, unit: str = "plain") -> str:
    """``value`` for a reader: share as per cent, points as signed points, else a plain number."""
    if value is None or not math.isfinite(value):
        return "n/a"
    if unit == "share":
        return f"{100 * value:.1f} %".replace("-", MINUS)
    if unit == "points":
        return _signed(100 * value)
    if 0 < abs(value) < 0.1:
        return f"{value:.2g}".replace("-", MINUS)
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}".replace("-", MINUS)


def _signed(value: float) -> str:
    text = f"{value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", MINUS)


def interval(low: float | None, high: float | None, unit: str = "plain") -> str:
    """``[low, high]``, or a word where there is none."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return "[no interval]"
    ends = (number(end, unit).removesuffix(" %") for end in (low, high))
    return f"[{', '.join(ends)}]"


def excludes_zero(low: float | None, high: float | None) -> int:
    """1 if the whole interval is above zero, -1 if below, 0 if it includes zero or is missing."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return 0
    return 1 if low > 0 else -1 if high < 0 else 0


def listed(items: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def plain(text: str) -> str:
    """``text`` with everything invisible or reordering made visible; newlines and tabs stay."""
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    code = ord(character)
    if character in "\n\t":
        return character
    category = unicodedata.category(character)
    if category == "Cs":
        return "\ufffd"
    if category in ("Cc", "Cf", "Co", "Cn") or character in "\u2028\u2029":
        return f"\u27e8U+{code:04X}\u27e9"
    return character
