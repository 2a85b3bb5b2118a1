"""One partition at work: what a step is given, and what it gives back.

A step sees its inputs by name, the study and the gateways; never Dagster or other partitions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from mitt_assets.errors import IntegrityError, MissingInputError
from mitt_assets.lineage.canonical import JSON
from mitt_assets.lineage.statement import Record
from mitt_assets.lineage.store import Store, write_table
from mitt_assets.study import Study

if TYPE_CHECKING:
    import polars as pl

    from resources.encoders import SentenceEncoder
    from resources.engines.base import ModelFiles, TraceEngine
    from resources.engines.tokenizer import ReasoningTokenizer
    from resources.language_id import LanguageIdentifier
    from resources.problem_sources import ProblemSource
    from resources.shards import ShardStore
    from resources.translators import Translator

TABLE_FILE = "table.parquet"
Item = TypeVar("Item")
Tick = Callable[[int, int], None]


class Services(Protocol):
    """The gateways a step may use. The real ones are made lazily and kept between partitions."""

    def engine(self) -> TraceEngine:
        """The trace engine of the study on the chosen device."""

    def device(self) -> str:
        """Cpu or cuda."""

    def free_device(self) -> None:
        """Make room on the device: what was loaded is loaded again when it is asked for."""

    def model_files(self, slug: str) -> ModelFiles:
        """The files of a model of the study."""

    def tokenizer(self, model: ModelFiles) -> ReasoningTokenizer:
        """The tokenizer that belongs to a model."""

    def encoder(self) -> SentenceEncoder:
        """The sentence encoder of the study."""

    def identifier(self) -> LanguageIdentifier:
        """The language identifier."""

    def problem_source(self) -> ProblemSource:
        """Where the study's problems come from."""

    def translator(self) -> Translator:
        """The machine translator of the study."""

    def translator_files(self) -> ModelFiles:
        """The files of the machine translator's model."""


class Markdown(str):
    """Metadata that a person sees rendered: a picture, a small table."""


@dataclass(frozen=True)
class Beat:
    """A sign of progress: how much of what is done, tokens so far, and what else to see.

    ``total`` is 0 where nothing is computed yet: ``doing`` says what is waited for.
    """

    doing: str
    done: int
    total: int
    tokens: int = 0
    note: str = ""


@dataclass
class Product:
    """What a step made: one table or named files, and what a reader should know of them.

    ``parameters``, ``seeds`` and ``materials`` go into the statement; ``metadata`` is for people.
    """

    frame: pl.DataFrame | None = None
    files: dict[str, bytes | Path] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, JSON] = field(default_factory=dict)
    seeds: dict[str, JSON] = field(default_factory=dict)
    materials: dict[str, str] = field(default_factory=dict)


@dataclass
class Work:
    """One partition being made."""

    study: Study
    asset: str
    partition: str | None
    own: Mapping[str, str]
    variant: str | None
    records: Mapping[str, list[Record]]
    store: Store
    services: Services
    shards: ShardStore
    report: Callable[[Beat], None]
    command_for: Callable[[str, str | None], str]
    scratch: Path
    """Where a person may watch work in progress; nothing is read from it."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """What a report does without, by label, and why."""
    overrides: Sequence[JSON] = ()
    """Acceptances of refused data that the inputs rest on."""
    computing: float = 0.0
    """Seconds spent in models so far."""
    tokens: int = 0
    """Tokens computed so far; none for shards that were finished before."""

    @contextmanager
    def model_time(self) -> Iterator[None]:
        """Counts the time inside as model compute; the rest is what the platform costs."""
        clock = time.perf_counter()
        try:
            yield
        finally:
            self.computing += time.perf_counter() - clock

    def record(self, name: str) -> Record:
        """The one record behind an input. Raises MissingInputError if it is not there."""
        records = self.records.get(name, [])
        if len(records) != 1:
            raise MissingInputError(f"{self.asset}: input {name!r} has {len(records)} partitions")
        return records[0]

    def has(self, name: str) -> bool:
        """Whether the step has this input, with at least one partition made."""
        return bool(self.records.get(name))

    def table(self, name: str, partition: str | None = None) -> pl.DataFrame:
        """An input's table, its bytes verified; ``partition`` chooses among several."""
        if partition is None:
            return self._table(self.record(name))
        chosen = [one for one in self.records[name] if one.partition == partition]
        if not chosen:
            raise MissingInputError(f"{self.asset}: input {name!r} has no partition {partition!r}")
        return self._table(chosen[0])

    def tables(self, name: str) -> dict[str, pl.DataFrame]:
        """An input's tables by partition."""
        return {str(one.partition): self._table(one) for one in self.records.get(name, [])}

    def _table(self, record: Record) -> pl.DataFrame:
        with self.remedy(record):
            return self.store.table(record)

    @contextmanager
    def remedy(self, record: Record) -> Iterator[None]:
        """Damage found inside is told with the command that makes the partition again."""
        try:
            yield
        except IntegrityError as error:
            command = self.command_for(record.asset, record.partition)
            raise IntegrityError(f"{error} Make it again with: {command} --force") from error

    def file(self, name: str, file: str) -> bytes:
        """One file of an input, verified."""
        record = self.record(name)
        with self.remedy(record):
            return self.store.read(record, file)

    def folder(self, name: str) -> Path:
        """All files of an input as a folder, verified."""
        record = self.record(name)
        with self.remedy(record):
            return self.store.folder(record)

    def beat(self, doing: str, done: int, total: int, tokens: int = 0, note: str = "") -> None:
        """Report progress."""
        self.report(Beat(doing, done, total, tokens, note))

    def waiting(self, what: str, note: str = "") -> None:
        """Report that nothing is computed until ``what``; ``note`` says why."""
        self.beat(f"waiting for {what}", 0, 0, note=note)

    def in_shards(
        self,
        items: Sequence[Item],
        doing: str,
        compute: Callable[[Sequence[Item], Tick], pl.DataFrame],
    ) -> pl.DataFrame:
        """Compute fixed sets of ``items``, each written as it finishes and never made again.

        The sets depend on the study alone, so an interrupted partition ends with the same bytes.
        """
        import polars as pl

        size = self.study.engine.shard
        frames = []
        for index, start in enumerate(range(0, len(items), size)):
            data = self.shards.load(index)
            if data is None:
                shard, before = items[start : start + size], self.tokens

                def tick(
                    done: int, computed: int, start: int = start, before: int = before
                ) -> None:
                    self.beat(doing, start + done, len(items), before + computed)
                    self.tokens = before + computed

                data = write_table(compute(shard, tick))
                self.shards.save(index, data)
            frames.append(pl.read_parquet(BytesIO(data)))
        return pl.concat(frames) if frames else compute([], lambda done, computed: None)
