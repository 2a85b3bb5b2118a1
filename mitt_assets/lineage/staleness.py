"""Why a partition must be made again, by content: equal bytes are never a reason.

An input is compared by what it holds, not by when or how it was made, so a rebuild that gives the
same bytes stops there and nothing after it is touched.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from mitt_assets.errors import IntegrityError
from mitt_assets.lineage import canonical
from mitt_assets.lineage.canonical import JSON
from mitt_assets.lineage.statement import Record, label
from mitt_assets.lineage.store import Store

Kind = Literal[
    "missing", "code", "study", "input", "input-missing", "input-stale", "input-damaged", "damaged"
]
Key = tuple[str, str | None]
_SHOWN = 60
LEFT_OUT = "left out"
"""In a study slice: what a report did without, by label, and why."""


@dataclass(frozen=True)
class Expected:
    """What a partition would be made of today: code version, study keys, inputs."""

    asset: str
    partition: str | None
    code: str
    study_slice: Mapping[str, JSON]
    dependencies: tuple[Key, ...]


@dataclass(frozen=True)
class Reason:
    """One difference; `was` and `now` are digests or JSON texts, None for "not there"."""

    kind: Kind
    field: str
    was: str | None
    now: str | None

    def sentence(self) -> str:
        """The reason in one sentence, for a terminal."""
        was, now = _short(self.was), _short(self.now)
        return {
            "missing": f"{self.field} was never made",
            "code": f"the code of the step changed: {was} → {now}",
            "study": f"{self._study_field()} changed: {was} → {now}",
            "input": self._input_sentence(was, now),
            "input-missing": f"the input {self.field} is missing",
            "input-stale": f"the input {self.field} is itself to be made again",
            "input-damaged": f"the input {self.field} is damaged: recorded {was}, found {now}",
            "damaged": f"{self.field} is damaged: recorded {was}, found {now}",
        }[self.kind]

    def _study_field(self) -> str:
        left_out = self.field.startswith(f"{LEFT_OUT}.")
        return self.field.replace(".", " ", 1) if left_out else f"the study's {self.field}"

    def _input_sentence(self, was: str, now: str) -> str:
        if self.was is None:
            return f"the input {self.field} is new: {now}"
        if self.now is None:
            return f"the input {self.field} is no longer used"
        return f"the input {self.field} changed: {was} → {now}"


def explain(
    record: Record | None,
    expected: Expected,
    current: Callable[[str, str | None], Record | None],
    stale_inputs: Collection[Key] = (),
) -> list[Reason]:
    """Every reason why `record` is not what `expected` would give; empty means up to date.

    `current` answers what an input holds now (`Store.current`); `stale_inputs` are those that are
    to be made again themselves.
    """
    inputs = [_input(key, record, current) for key in expected.dependencies]
    stale = [
        Reason("input-stale", label(*key), None, None)
        for key in expected.dependencies
        if key in stale_inputs
    ]
    found = [reason for reason in inputs if reason is not None] + stale
    if record is None:
        never = Reason("missing", label(expected.asset, expected.partition), None, None)
        return [never, *(reason for reason in found if reason.kind != "input")]
    return [
        *_code(record, expected),
        *study_differences(record.study_slice, expected.study_slice),
        *found,
        *_no_longer_used(record, expected),
    ]


def study_differences(was: Mapping[str, JSON], now: Mapping[str, JSON]) -> list[Reason]:
    """The study keys that differ, each by its dotted path."""
    before, after = dict(_leaves(was, ())), dict(_leaves(now, ()))
    return [
        Reason("study", path, before.get(path), after.get(path))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    ]


def damage(store: Store, record: Record) -> list[Reason]:
    """The files of a record whose stored bytes are not the recorded ones; reads all of them."""
    found = []
    place = label(record.asset, record.partition)
    for name, digest in [*sorted(record.files.items()), ("statement", record.statement)]:
        try:
            store.storage.verify(digest)
        except IntegrityError as error:
            found.append(Reason("damaged", f"{name} of {place}", digest, str(error)))
    return found


def _code(record: Record, expected: Expected) -> Iterator[Reason]:
    was = record.code.get("version")
    if was != expected.code:
        yield Reason("code", "version", was, expected.code)


def _input(
    key: Key, record: Record | None, current: Callable[[str, str | None], Record | None]
) -> Reason | None:
    """How one expected input differs from what the record was made of."""
    was = _recorded(record).get(key)
    try:
        found = current(*key)
    except IntegrityError as error:
        return Reason("input-damaged", label(*key), was, str(error))
    if found is None:
        return Reason("input-missing", label(*key), was, None)
    return None if found.content == was else Reason("input", label(*key), was, found.content)


def _no_longer_used(record: Record, expected: Expected) -> Iterator[Reason]:
    for key, content in _recorded(record).items():
        if key not in expected.dependencies:
            yield Reason("input", label(*key), content, None)


def _recorded(record: Record | None) -> dict[Key, str]:
    """The content of each input that the record was made of."""
    dependencies = () if record is None else record.dependencies
    return {(item.asset, item.partition): item.content for item in dependencies}


def _leaves(value: JSON, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Dotted path and JSON text of everything in a slice that is not itself an object."""
    if isinstance(value, Mapping) and (value or not path):
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    else:
        yield ".".join(path), canonical.encode(value).decode("utf-8")


def _short(text: str | None) -> str:
    if text is None:
        return "nothing"
    if len(text) == 64 and not text.strip("0123456789abcdef"):
        return text[:12]
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
