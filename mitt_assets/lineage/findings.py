"""What an audit may find, in words that stay the same in the table, in JSON and in the tests."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mitt_assets.errors import MittError

Kind = Literal[
    "tampered",
    "missing",
    "unreadable",
    "unrecorded",
    "history",
    "clock",
    "number",
    "copy",
    "stale",
    "refused",
    "unjudged",
    "overridden",
    "unverified",
    "unsigned",
]
INTEGRITY: Mapping[Kind, str] = {
    "tampered": "what is stored is not what was recorded, or two records contradict each other",
    "missing": "something that was recorded is gone",
    "unreadable": "it cannot be read by this program: another version, or no right to it",
    "unrecorded": "nothing current or historical names it",
    "history": "the history does not lead to what is current",
    "clock": "times that cannot be true",
    "number": "a report's number is not what its rows give",
    "copy": "a copy for people is not what the record says",
}
"""Kinds that say the store is not what it was; each with its meaning."""
STATE: Mapping[Kind, str] = {
    "stale": "it would be made differently today",
    "refused": "its checks, or those of what it was made from, failed",
    "unjudged": "no verdict of today's checks on these bytes",
    "overridden": "used in spite of failed checks",
    "unverified": "weights whose bytes were not, or cannot be, compared",
    "unsigned": "no signature by the key that was asked for",
}
"""Kinds that say what to know of a store that is whole; each with its meaning."""
KINDS = {**INTEGRITY, **STATE}

DAMAGE = (
    MittError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    OSError,
    RecursionError,
)
"""What reading damaged bytes may raise: an audit writes it down and goes on."""


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be.

    ``place`` is a partition's label or a path in the home; ``remedy`` is what to do.
    """

    kind: Kind
    place: str
    found: str
    remedy: str

    @property
    def severity(self) -> str:
        """``integrity`` for what is not what it was, ``state`` for what to know of a whole one."""
        return "integrity" if self.kind in INTEGRITY else "state"
