"""What only the study can tell: what is stale, judged, recomputable, and which weights are here."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from mitt_assets.lineage import canonical
from mitt_assets.lineage.audit_places import JUDGE, Places
from mitt_assets.lineage.audit_records import AGAIN, Key, Records
from mitt_assets.lineage.findings import DAMAGE, Finding
from mitt_assets.lineage.staleness import Reason
from mitt_assets.lineage.statement import SHA256, Record, label

MODEL = "base_model"
SHOWN = 3
"""Differing numbers told of one report; the rest are counted."""
RUN = "Make it again: mitt run"
Answer = TypeVar("Answer")


class StudyKnowledge(Protocol):
    """What an audit asks of the study; records alone do not say it."""

    def partitions(self) -> Sequence[Key]:
        """Every partition the study has."""

    def reasons(self, key: Key) -> Sequence[Reason]:
        """Why a partition would be made differently today."""

    def judged(self, record: Record) -> bool:
        """Whether today's checks have spoken of these bytes."""

    def refusal(self, record: Record) -> str | None:
        """Why a record may not be read."""

    def weights(self, record: Record) -> Mapping[str, str] | None:
        """sha256 of the files that a record lists, as they are on this machine now.

        None for a record that lists no model's files; raises MittError if they are not here.
        """

    def numbers(self, record: Record) -> Sequence[str]:
        """Each number of a report that its rows do not give, in words; empty for no report."""


def check_study(
    study: StudyKnowledge,
    records: Records,
    places: Places,
    progress: Callable[[str], None] = lambda doing: None,
) -> Iterator[Finding]:
    """Every finding that needs the study, partition by partition, then acceptances."""
    for key in study.partitions():
        record = records.current.get(key)
        if record is None:
            continue
        progress(label(*key))
        yield from _stale(study, key)
        yield from _verdict(study, record)
        yield from _weights(study, records, record)
        yield from _numbers(study, record)
    yield from _overrides(records, places)


def _asked(ask: Callable[[], Answer], key: Key, what: str) -> tuple[Answer | None, list[Finding]]:
    """An answer, or the finding that damage kept it from being given."""
    try:
        return ask(), []
    except DAMAGE as error:
        found = f"{what} cannot be told: {error}"
        return None, [Finding("unreadable", label(*key), found, AGAIN)]


def _stale(study: StudyKnowledge, key: Key) -> Iterator[Finding]:
    def sentences() -> str:
        return "; ".join(one.sentence() for one in study.reasons(key))

    reasons, unknown = _asked(sentences, key, "whether it is stale")
    yield from unknown
    if reasons:
        yield Finding("stale", label(*key), reasons, RUN)


def _verdict(study: StudyKnowledge, record: Record) -> Iterator[Finding]:
    key = (record.asset, record.partition)
    judged, unknown = _asked(lambda: study.judged(record), key, "its verdict")
    refusal, unknown_too = _asked(lambda: study.refusal(record), key, "whether it may be read")
    yield from unknown or unknown_too
    if judged is False:
        yield Finding("unjudged", label(*key), "no verdict of today's checks on these bytes", JUDGE)
    if refusal:
        yield Finding("refused", label(*key), refusal, f"{JUDGE}, or make it again: mitt run")


def _weights(study: StudyKnowledge, records: Records, record: Record) -> Iterator[Finding]:
    """The model's files are those that were recorded: in the manifest, and by who used it."""
    place = label(record.asset, record.partition)
    for name, word in sorted(record.materials.items()):
        if SHA256.fullmatch(word) is None:
            yield Finding("unverified", place, f"{name} is {word}", "Serve it from files here.")
    for name, was, model in _used(records, record):
        used = record.materials.get(name)
        # What is recorded as a word was told above: nobody says these bytes were used.
        if used != was and (used is None or SHA256.fullmatch(used)):
            found = f"made with {name} {used or 'absent'}, {model} has {was}"
            yield Finding("tampered", place, found, AGAIN)
    try:
        now = study.weights(record)
    except DAMAGE as error:
        yield Finding("unverified", place, str(error), "Audit where the model's files are.")
        return
    for name in sorted({*now, *record.materials}) if now is not None else ():
        if (now or {}).get(name) != record.materials.get(name):
            found = f"its file {name} is {(now or {}).get(name, 'absent')} on this machine, "
            found += f"recorded as {record.materials.get(name, 'absent')}"
            yield Finding("tampered", place, found, "Put the recorded file back.")


def _used(records: Records, record: Record) -> Iterator[tuple[str, str, str]]:
    """The files of the one model a record was made with, by name, and its label."""
    models = [one for one in record.dependencies if one.asset == MODEL]
    if len(models) == 1 and record.materials and models[0].statement in records.statements:
        model = records.statements[models[0].statement]
        for name, sha256 in sorted(model.materials.items()):
            yield name, sha256, label(model.asset, model.partition)


def _numbers(study: StudyKnowledge, record: Record) -> Iterator[Finding]:
    key = (record.asset, record.partition)
    differences, unknown = _asked(lambda: study.numbers(record), key, "whether its numbers hold")
    yield from unknown
    for found in (differences or ())[:SHOWN]:
        yield Finding("number", label(*key), found, RUN)
    more = len(differences or ()) - SHOWN
    if more > 0:
        yield Finding("number", label(*key), f"{more} more numbers differ", RUN)


def _overrides(records: Records, places: Places) -> Iterator[Finding]:
    """Each acceptance of refused data, once, with how much rests on it."""
    said: dict[str, Mapping[str, Any]] = {}
    resting: dict[str, int] = {}
    for record in records.current.values():
        for one in record.overrides:
            said[canonical.digest(one)] = one
            resting[canonical.digest(one)] = resting.get(canonical.digest(one), 0) + 1
    said.update({canonical.digest(one): one for one in places.overrides.values()})
    for digest, one in said.items():
        place = label(str(one.get("asset")), one.get("partition"))
        checks = "; ".join(map(str, one.get("checks") or ()))
        found = (
            f"accepted by {one.get('by')} ({one.get('reason')}) in spite of: {checks}; "
            f"{resting.get(digest, 0)} current partitions rest on it"
        )
        yield Finding("overridden", place, found, "Withdraw it: mitt accept --withdraw")
