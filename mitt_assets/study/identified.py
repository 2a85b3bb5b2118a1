"""The languages that langid can give as a label, without its model."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

LANGID = tuple(
    "af am an ar as az be bg bn br bs ca cs cy da de dz el en eo es et eu fa fi fo fr ga gl gu he"
    " hi hr ht hu hy id is it ja jv ka kk km kn ko ku ky la lb lo lt lv mg mk ml mn mr ms mt nb ne"
    " nl nn no oc or pa pl ps pt qu ro ru rw se si sk sl sq sr sv sw ta te th tl tr ug uk ur vi vo"
    " wa xh zh zu".split()
)
"""Of the model inside langid 1.1.6, whose codes are those of ISO 639-1."""


def unknown_to_langid(codes: Sequence[str]) -> str | None:
    """A complaint about the codes that langid does not know, with what may be meant."""
    unknown = [code for code in codes if code not in LANGID]
    if not unknown:
        return None
    close = [one for code in unknown for one in difflib.get_close_matches(code, LANGID, 1, 0.55)]
    meant = f" ({', '.join(close)}?)" if close else ""
    return (
        f"langid has no language {', '.join(map(repr, unknown))}{meant}; give two letters of"
        f" ISO 639-1, such as tl or zh, and leave out what is none of langid's {len(LANGID)}"
    )
