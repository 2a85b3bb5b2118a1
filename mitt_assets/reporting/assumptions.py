"""Every setting no source states, read from the study's own fields: there is no second list."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from mitt_assets.study import Study


@dataclass(frozen=True)
class Assumption:
    """A setting that is ours: its dotted key, its value in this study, what it is, and why."""

    key: str
    value: str
    text: str
    why: str


def assumptions(study: Study) -> list[Assumption]:
    """All settings of the study that are marked as assumed and read, in the study's order."""
    unused = {"probes.stop_when_stable"} if study.probes.stop_when_stable is None else set()
    unused |= {
        f"translation.{name}"
        for name in type(study.translation).model_fields
        if name not in study.translation.read
    }
    return [one for one in _of_model(study, "") if one.key not in unused]


def grouped(found: Iterable[Assumption]) -> list[Assumption]:
    """One entry for a setting that several variants share with the same value and reason."""
    merged: dict[tuple[str, str, str], Assumption] = {}
    names: dict[tuple[str, str, str], list[str]] = {}
    for one in found:
        match = re.match(r"variants\.([^.]+)\.(.+)", one.key)
        tail = match.group(2) if match else one.key
        group = (tail if match else "=" + tail, one.value, one.why)
        merged.setdefault(group, one)
        names.setdefault(group, []).extend([match.group(1)] if match else [])
    return [_joined(one, names[group]) for group, one in merged.items()]


def _joined(one: Assumption, variants: list[str]) -> Assumption:
    if len(variants) < 2:
        return one
    tail = one.key.split(".", 2)[2]
    key = f"variants.{{{', '.join(variants)}}}.{tail}"
    return Assumption(key, one.value, one.text, one.why)


def _of_model(model: BaseModel, place: str) -> Iterator[Assumption]:
    for name, info in type(model).model_fields.items():
        value = getattr(model, name)
        key = f"{place}{name}"
        extra = info.json_schema_extra
        given = value is not None and value != ""
        if given and isinstance(extra, dict) and extra.get("assumed"):
            why = str(extra["assumed"])
            yield Assumption(key, _shown(value), info.description or "", why)
        yield from _inside(value, key)


def _inside(value: Any, key: str) -> Iterator[Assumption]:
    if isinstance(value, BaseModel):
        yield from _of_model(value, f"{key}.")
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _inside(inner, f"{key}.{name}")


def _shown(value: Any) -> str:
    if isinstance(value, BaseModel):
        given = value.model_dump(mode="json", exclude_none=True)
        return ", ".join(f"{name}: {inner}" for name, inner in given.items()) or "whole trace"
    if isinstance(value, tuple):
        return ", ".join(str(inner) for inner in value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
