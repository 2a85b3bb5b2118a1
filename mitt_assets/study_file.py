"""Reading a study file: errors name the key, what was found and what is allowed.

``MITT_STUDY`` chooses the study: the name of a shipped one, or the path of a file.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from mitt_assets.errors import StudyError
from mitt_assets.study import Study, preset_path
from mitt_assets.study.part import TRUTHS

DEFAULT = "organism"


def shipped() -> list[str]:
    """Names of the studies that come with the package."""
    return sorted(path.stem for path in preset_path(DEFAULT).parent.glob("*.yaml"))


def chosen() -> str:
    """The study the environment asks for, else the default."""
    return os.environ.get("MITT_STUDY") or DEFAULT


def load_study(name: str | Path | None = None) -> Study:
    """Read a study by the name of a shipped one or by path.

    Raises StudyError naming file, key, what was found and what is allowed.
    """
    path = find(name)
    return parse(_text(path), str(path))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: cannot be read as UTF-8 text: {error}") from error


def find(name: str | Path | None = None) -> Path:
    """The file of a study given by name or path (the environment's choice if not given)."""
    wanted = str(name or chosen())
    if wanted in shipped():
        return preset_path(wanted)
    path = Path(os.path.expanduser(wanted))
    if not path.is_file():
        raise StudyError(
            f"there is no study {wanted!r}: neither shipped ({', '.join(shipped())}) nor a file"
        )
    return path.resolve()


class _UniqueKeys(yaml.SafeLoader):
    """A YAML loader that refuses a key given twice instead of keeping the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping; raises when a key is repeated."""
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = key_node.value
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def parse(text: str, place: str = "study") -> Study:
    """Validate a study given as YAML text; ``place`` names it in errors.

    With ``extends: <name or file>`` the other study holds for top-level keys this one lacks;
    a file is relative to ``place``.
    """
    raw = _extended(_mapping(text, place), place, ())
    try:
        return Study.model_validate(raw)
    except ValidationError as error:
        complaints = "\n".join(f"  {_complaint(one)}" for one in error.errors())
        raise StudyError(f"{place}: not a valid study\n{complaints}") from error


def _mapping(text: str, place: str) -> dict[Any, Any]:
    try:
        raw = yaml.load(text, Loader=_UniqueKeys)  # a SafeLoader
    except yaml.YAMLError as error:
        raise StudyError(f"{place}: not valid YAML: {error}") from error
    if not isinstance(raw, dict):
        raise StudyError(f"{place}: a study is a mapping of keys, found {type(raw).__name__}")
    return raw


def _extended(raw: dict[Any, Any], place: str, below: tuple[Path, ...]) -> dict[Any, Any]:
    """``raw`` over the study it extends. ``below`` are the files that extend this one."""
    other = raw.pop("extends", None)
    if other is None:
        return raw
    if "name" not in raw:
        raise StudyError(f"{place}: name: required; two studies of one name would share a home")
    path = find(other if other in shipped() else Path(place).parent / Path(str(other)).expanduser())
    if path in below:
        raise StudyError(f"{place}: extends: {other} extends this study itself; take one out")
    return {**_extended(_mapping(_text(path), str(path)), str(path), (*below, path)), **raw}


def _complaint(error: Mapping[str, Any]) -> str:
    place = ".".join(str(part) for part in error["loc"])
    found = error.get("input")
    if error["type"] == "extra_forbidden":
        return f"{place}: no such key{_suggestion(error['loc'])}"
    if error["type"] == "missing":
        return f"{place}: required, but not given"
    if error["type"] == "value_error":
        return f"{place}: {error['ctx']['error']}" if place else str(error["ctx"]["error"])
    if isinstance(found, bool) and error["type"] == "string_type":
        return f'{place}: found {TRUTHS[found]}; write it in quotes, as in "no"'
    return f"{place}: found {_short(found)}; {_allowed(error)}"


def _allowed(error: Mapping[str, Any]) -> str:
    if error["type"] == "string_pattern_mismatch":  # a slug: no other text has a pattern
        return (
            "a name is of small letters a to z, digits, hyphens, underscores and dots, and begins"
            " with a letter or a digit"
        )
    message = str(error["msg"])
    return message[:1].lower() + message[1:]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _suggestion(location: Iterable[Any]) -> str:
    *parents, key = location
    names = sorted(_fields_at(parents))
    close = difflib.get_close_matches(str(key), names, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; allowed: {', '.join(names)}" if names else ""


def _fields_at(location: Iterable[Any]) -> set[str]:
    """Names allowed at a place of the study file."""
    kind: Any = Study
    for part in location:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            field = kind.model_fields.get(str(part))
            kind = field.annotation if field else None
        else:  # a mapping from names to parts: the name was consumed
            kind = _inner(kind)
        if get_origin(kind) is not dict:
            kind = _inner(kind)
    known = isinstance(kind, type) and issubclass(kind, BaseModel)
    return set(kind.model_fields) if known else set()


def _inner(annotation: Any) -> Any:
    """The part's class inside Optional[...] or dict[...]."""
    for argument in get_args(annotation):
        if isinstance(argument, type) and issubclass(argument, BaseModel):
            return argument
    return annotation


def show(study: Study) -> str:
    """The study as YAML with every default written out; reading it gives the same study."""
    return yaml.safe_dump(
        study.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100
    )


def slice_of(study: Study, paths: Iterable[str]) -> dict[str, Any]:
    """The values at ``paths`` (dotted, ``languages.tl.wait``), flattened to leaves.

    An asset's slice is what it may depend on: a change elsewhere never makes it stale.
    """
    raw = study.model_dump(mode="json")
    leaves: dict[str, Any] = {}
    for path in paths:
        value: Any = raw
        for part in path.split("."):
            value = value[part]
        leaves.update(_leaves(path, value))
    return dict(sorted(leaves.items()))


def _leaves(path: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        return {path: value}
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        flat.update(_leaves(f"{path}.{key}", inner))
    return flat
