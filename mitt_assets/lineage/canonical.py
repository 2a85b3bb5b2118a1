"""One encoding of a value, the same in every process and on every machine.

A digest is an identity. An encoder that falls back on `str()` gives one thing two identities (set
order, object addresses) or two things the same one, so whatever has no single encoding is refused.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

JSON = Any
"""A JSON value: null, bool, int, float, str, list or an object with text keys."""


def encode(value: JSON) -> bytes:
    """Canonical JSON in UTF-8: sorted keys, no white space, shortest floats; tuples are lists.

    Raises TypeError for anything but JSON values (sets, bytes, objects, keys that are not text) and
    ValueError for NaN, infinities and lone surrogates; both name where in the value it stands.
    """
    text = json.dumps(
        _plain(value, "value"),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )
    return text.encode("utf-8")


def digest(value: JSON) -> str:
    """sha256 of the canonical encoding, in hex."""
    return hashlib.sha256(encode(value)).hexdigest()


def _plain(value: JSON, where: str) -> JSON:
    """The value with only plain types in it, or the reason why it has no encoding."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _finite(float(value), where)
    if isinstance(value, str):
        return _text(value, where)
    if isinstance(value, Mapping):
        return {_key(key, where): _plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    raise TypeError(
        f"{where} is a {type(value).__name__}, which has no canonical encoding; "
        "turn it into text, numbers, lists or objects first"
    )


def _finite(value: float, where: str) -> float:
    if math.isfinite(value):
        return value
    raise ValueError(f"{where} is {value}, which JSON cannot hold; use null or leave it out")


def _text(value: str, where: str) -> str:
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError(f"{where} holds a lone surrogate, which UTF-8 cannot hold")
    return str.__str__(value)


def _key(key: object, where: str) -> str:
    if isinstance(key, str):
        return _text(key, f"a key of {where}")
    raise TypeError(f"{where} has the key {key!r}, a {type(key).__name__}; keys must be text")
