"""A maker's answers to what an audit asks of the study: what records alone do not say.

``lineage/`` knows records and not what is in them, so the questions are declared there
(``audit_study.StudyKnowledge``) and answered here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mitt_assets import partitions
from mitt_assets.lineage.staleness import Reason
from mitt_assets.lineage.statement import Record
from mitt_assets.materialise import Maker
from mitt_assets.standing import command_for
from mitt_assets.work import Product, Work

if TYPE_CHECKING:
    from mitt_assets.graph import Step

PAGE = "reports/study"
TOLD = 80
"""Characters of a differing line that are told."""


class MakersKnowledge:
    """What one study says of the records in its home."""

    def __init__(self, maker: Maker, cache: Path | None = None) -> None:
        """``cache`` keeps digests of models' files while path, size and time stay; else none is."""
        self.maker = maker
        self.cache = cache

    def partitions(self) -> list[tuple[str, str | None]]:
        """Every partition the study has."""
        return self.maker.graph.all_partitions

    def reasons(self, key: tuple[str, str | None]) -> list[Reason]:
        """Why a partition would be made differently today."""
        return self.maker.reasons(*key)

    def judged(self, record: Record) -> bool:
        """Whether today's checks have spoken of these bytes."""
        return self.maker.gate.verdict(record) is not None

    def refusal(self, record: Record) -> str | None:
        """Why a record may not be read."""
        return self.maker.gate.refusal(record)

    def weights(self, record: Record) -> Mapping[str, str] | None:
        """The files of a model or an encoder as they are here.

        Raises ModelError if they are not on this machine.
        """
        from resources.encoders import SentenceTransformerEncoder
        from resources.models import resolved
        from resources.services import needs_weights, translator_needs_weights

        study = self.maker.graph.study
        if record.asset == "base_model":
            model = study.models[str(record.partition)]
            place = f"models.{record.partition}.source"
            weights = needs_weights(study)
            return resolved(model.source, model.revision, place, self.cache, weights=weights)[1]
        if record.asset == "translator" and study.translation.source is not None:
            source, revision = study.translation.source, study.translation.revision
            place, weights = "translation.source", translator_needs_weights(study)
            return resolved(source, revision, place, self.cache, weights=weights)[1]
        if record.asset == "sentence_encoder":
            settings = study.encoder
            source, revision = settings.source, settings.revision
            return SentenceTransformerEncoder(source, revision, "cpu", self.cache).files
        return None

    def numbers(self, record: Record) -> list[str]:
        """Numbers of a report, or lines of the page, that its inputs do not give."""
        from mitt_assets.lineage.recompute import is_recomputable, recompute_report

        if is_recomputable(record):
            return [
                f"row {one.row}: {one.column} is {one.stored}, its rows give {one.computed}"
                for one in recompute_report(self.maker, record)
            ]
        return list(self._page(record)) if record.asset == PAGE else []

    def _page(self, record: Record) -> Iterator[str]:
        """Lines that differ when the page is put together again, if today's code made it."""
        if self.reasons((record.asset, record.partition)):
            return
        step = self.maker.graph.step(record.asset)
        made = self._made_again(step, record)
        for name in sorted({*made.files, *record.files}):
            now = made.files.get(name)
            was = self.maker.store.read(record, name) if name in record.files else b""
            if now != was:
                yield f"{name} {_difference(was, now if isinstance(now, bytes) else b'')}"

    def _made_again(self, step: Step, record: Record) -> Product:
        """What the step makes of the inputs that the record names; nothing is committed."""
        maker, store = self.maker, self.maker.store
        read = {
            (one.asset, one.partition): store.statement_record(one.statement)
            for one in record.dependencies
        }
        inputs = maker.graph.inputs(record.asset, record.partition)
        # A page reads tables only: it is given neither gateways nor a place for shards.
        absent = cast(Any, None)
        return step.make(
            Work(
                study=maker.graph.study,
                asset=record.asset,
                partition=record.partition,
                own=partitions.parse(step.dimensions, record.partition),
                variant=step.variant,
                records={
                    name: [read[pair] for pair in pairs if pair in read]
                    for name, pairs in inputs.items()
                },
                store=store,
                services=absent,
                shards=absent,
                scratch=absent,
                report=lambda beat: None,
                command_for=lambda asset, key: command_for(asset, key, maker.graph),
                left_out=maker.left_out(record.asset, record.partition),
                overrides=record.overrides,
            )
        )


def _difference(was: bytes, now: bytes) -> str:
    """The first line that differs, from where it does."""
    lines = zip_longest(*(one.decode("utf-8", "replace").splitlines() for one in (was, now)))
    for number, (old, new) in enumerate(lines, 1):
        if old != new:
            old, new = old or "nothing", new or "nothing"
            start = next((at for at, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
            start = max(0, start - TOLD // 4)
            told = [repr(text[start : start + TOLD]) for text in (old, new)]
            return f"line {number} is {told[0]}, its inputs give {told[1]}"
    return "differs in its line ends"
