"""Ids and seeds drawn from what is asked, never from what came out.

The same study therefore makes the same ids and the same samples on any machine and in any order.
Only text and whole numbers are encoded: anything else could be written in two ways, and a
permissive ``str()`` would fork an id without a sign.
"""

from __future__ import annotations

import hashlib
import json

ID_LENGTH = 20
"""Hex digits of an id: 80 bits, so that a million rows collide with probability below 1e-12."""


def request_id(*parts: str | int) -> str:
    """Id of a request: the first 20 hex digits of its sha256. Raises TypeError on other types."""
    return _digest(parts).hex()[:ID_LENGTH]


def seed_of(*parts: str | int) -> int:
    """A seed in [0, 2**63), so that it fits a signed 64-bit column. Raises TypeError as above."""
    return int.from_bytes(_digest(parts)[:8], "big") >> 1


def _digest(parts: tuple[str | int, ...]) -> bytes:
    for part in parts:
        if isinstance(part, bool) or not isinstance(part, str | int):
            raise TypeError(f"an id is made of text and whole numbers, not {part!r}")
    canonical = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8")).digest()
