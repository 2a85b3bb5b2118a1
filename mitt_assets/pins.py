"""Which hub repositories a study names without a commit, and writing commits into its file.

A branch moves: what an unpinned study makes tomorrow may rest on other weights or other problems.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from mitt_assets.errors import StudyError
from mitt_assets.study import Study
from resources.hub import Kind, is_commit, is_repository
from resources.problem_sources.base import SPLITS


@dataclass(frozen=True)
class Pin:
    """A repository: the study key that holds source and revision, its kind, both values."""

    key: str
    kind: Kind
    source: str
    revision: str | None


def repositories(study: Study) -> list[Pin]:
    """Every hub repository a study names, in the order of its file."""
    return [pin for pin in _named(study) if is_repository(pin.source)]


def unpinned(study: Study) -> list[Pin]:
    """Those without a full commit id."""
    return [pin for pin in repositories(study) if not is_commit(pin.revision)]


def write(path: Path, commits: Mapping[str, str]) -> list[str]:
    """Write ``commits`` (by key) into a study file, the rest of it left as it is; the keys written.

    A key that the file does not hold itself, because it extends another study, is left out.
    """
    text = path.read_text(encoding="utf-8")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    edits = []
    for key, commit in commits.items():
        node = _at(root, key.split("."))
        if node is not None:
            edits.append((key, *_edit(text, node, commit)))
    for _, start, end, new in sorted(edits, key=lambda edit: -edit[1]):
        text = text[:start] + new + text[end:]
    partial = path.with_name(f"{path.name}.part")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
    return [edit[0] for edit in edits]


def _named(study: Study) -> Iterator[Pin]:
    for slug, model in study.models.items():
        yield Pin(f"models.{slug}", "model", model.source, model.revision)
    problems = study.problems
    yield Pin("problems", "dataset", problems.source, problems.revision)
    for name in SPLITS:
        split = getattr(problems, name)
        if split is not None and split.source is not None:
            yield Pin(f"problems.{name}", "dataset", split.source, split.revision)
    if study.translation.source is not None:
        where = study.translation
        yield Pin("translation", "model", str(where.source), where.revision)
    yield Pin("encoder", "model", study.encoder.source, study.encoder.revision)


def _at(node: yaml.Node | None, path: list[str]) -> yaml.MappingNode | None:
    """The mapping at a dotted key, if the file itself writes one with a source."""
    for name in path:
        node = _value(node, name)
    found = node if isinstance(node, yaml.MappingNode) else None
    return found if _value(found, "source") is not None else None


def _value(node: yaml.Node | None, name: str) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((value for key, value in pairs if key.value == name), None)


def _edit(text: str, node: yaml.MappingNode, commit: str) -> tuple[int, int, str]:
    """Start, end and new text: another value of ``revision``, or a line after ``source``."""
    old = _value(node, "revision")
    if old is not None:
        return old.start_mark.index, old.end_mark.index, commit
    key, source = next((key, value) for key, value in node.value if key.value == "source")
    if node.flow_style:
        at = source.end_mark.index
        return at, at, f", revision: {commit}"
    at = text.find("\n", source.end_mark.index)
    at = len(text) if at < 0 else at
    return at, at, f"\n{' ' * key.start_mark.column}revision: {commit}"


def file_of(name: str, path: Path, shipped: bool) -> Path:
    """The file that may be written. Raises StudyError for a shipped study."""
    if shipped:
        raise StudyError(
            f"{name} is shipped with the package and stays as it is; make your own copy with:"
            f" mitt study new mine --from {name}"
        )
    return path
