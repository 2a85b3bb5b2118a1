"""The gateways of one study, made when first asked for and kept until closed.

Loading a model costs more than many a partition, so whoever makes several partitions in one process
shares one of these between them.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mitt_assets.errors import StudyError
from mitt_assets.study import Study
from resources.compute import AUTO, Choice
from resources.gpu import choice_here, choose_device, release

if TYPE_CHECKING:
    from resources.encoders import SentenceEncoder
    from resources.engines.base import ModelFiles, TraceEngine
    from resources.engines.tokenizer import ReasoningTokenizer
    from resources.language_id import LanguageIdentifier
    from resources.problem_sources import ProblemSource
    from resources.translators import Translator


class StudyServices:
    """The real gateways as the study configures them; ``cache`` keeps file digests."""

    def __init__(self, study: Study, cache: Path, device: str | None = None) -> None:
        self.study = study
        self.cache = cache
        self._wanted = device or study.engine.device
        self._engine: TraceEngine | None = None
        self._translator: Translator | None = None
        self._tokenizers: dict[str, ReasoningTokenizer] = {}

    def device(self) -> str:
        """The device: cpu or cuda."""
        return choose_device(self._wanted)

    @cached_property
    def choice(self) -> Choice:
        """Device, arithmetic, attention and memory share: one choice for every gateway."""
        return choice_here(self.study.engine, self._wanted)

    def engine(self) -> TraceEngine:
        """The trace engine of the study on the chosen device."""
        if self._engine is None:
            self._engine = self._open_engine()
        return self._engine

    def _open_engine(self) -> TraceEngine:
        settings = self.study.engine
        if settings.name == "server":
            from resources.engines.server_engine import ServerEngine

            return ServerEngine(settings.server)
        if settings.name == "vllm":
            from resources.engines.vllm_engine import VllmEngine

            rank = _largest_rank(self.study)
            return VllmEngine(
                self.choice.device, settings.vllm, rank, memory_share=self._memory_share
            )
        from resources.engines.transformers_engine import TransformersEngine

        return TransformersEngine(
            self.choice.device, settings.probe_method, attention=self.choice.attention
        )

    def _memory_share(self) -> float:
        """What vLLM may take when it starts: by then other things may lie on the device."""
        return choice_here(self.study.engine, self._wanted).memory_share

    def free_device(self) -> None:
        """Make room on the device for training: vLLM keeps most of its memory while it runs."""
        if self.device() == "cpu":
            return
        if self._engine is not None:
            self._engine.close()
        release(self.device())

    def model_files(self, slug: str) -> ModelFiles:
        """The files of a model of the study, and the arithmetic chosen for it."""
        from resources.models import resolve

        weights = needs_weights(self.study)
        files = resolve(slug, self.study.models[slug], self.cache, weights=weights)
        return replace(files, dtype=self.choice.dtype) if files.dtype == AUTO else files

    def tokenizer(self, model: ModelFiles) -> ReasoningTokenizer:
        """The tokenizer that belongs to a model."""
        if model.slug not in self._tokenizers:
            from resources.engines.tokenizer import ReasoningTokenizer

            self._tokenizers[model.slug] = ReasoningTokenizer(model.folder)
        return self._tokenizers[model.slug]

    def encoder(self) -> SentenceEncoder:
        """The sentence encoder of the study."""
        return self._encoder

    @cached_property
    def _encoder(self) -> SentenceEncoder:
        from resources.encoders import SentenceTransformerEncoder

        settings = self.study.encoder
        return SentenceTransformerEncoder(settings.source, settings.revision, self.device())

    def identifier(self) -> LanguageIdentifier:
        """The language identifier."""
        return self._identifier

    @cached_property
    def _identifier(self) -> LanguageIdentifier:
        from resources.language_id import BulkLangid

        return BulkLangid()

    def problem_source(self) -> ProblemSource:
        """Where the study's problems come from."""
        from resources.problem_sources import open_source

        return open_source(self.study)

    def translator(self) -> Translator:
        """The machine translator of the study."""
        if self._translator is None:
            self._translator = self._make_translator()
        return self._translator

    def translator_files(self) -> ModelFiles:
        """The files of the machine translator's model.

        Raises StudyError if the study has none and ModelError if they are not on this machine.
        """
        from resources.engines.base import ModelFiles
        from resources.models import resolved

        settings = self.study.translation
        if settings.source is None:
            raise StudyError("translation.source: the study names no translating model")
        weights = translator_needs_weights(self.study)
        folder, files = resolved(
            settings.source, settings.revision, "translation.source", self.cache, weights=weights
        )
        return ModelFiles(
            "translator", settings.source, settings.revision, settings.dtype, folder, files
        )

    def _make_translator(self) -> Translator:
        from resources.translators import ChatTranslator, Seq2SeqTranslator

        settings, files = self.study.translation, self.translator_files()
        if settings.method == "chat":
            return ChatTranslator(
                self.engine(),
                files,
                prompt=settings.prompt,
                tokens=settings.tokens,
                names={code: one.name for code, one in self.study.languages.items()},
            )
        return Seq2SeqTranslator(
            files, self.device(), beams=settings.beams, languages=settings.languages
        )

    def close(self) -> None:
        """Free the device."""
        if self._translator is not None:
            self._translator.close()
            self._translator = None
        if self._engine is not None:
            self._engine.close()
            self._engine = None


def _largest_rank(study: Study) -> int:
    """Of the adapters that will be loaded; 0 if the study has none."""
    recipes = [variant.recipe for variant in study.variants.values() if variant.recipe]
    return max((recipe.adapter.rank for recipe in recipes), default=0)


def needs_weights(study: Study) -> bool:
    """Whether weights are read on this machine: not if a server has them and nothing is tuned."""
    return study.engine.name != "server" or any(one.recipe for one in study.variants.values())


def translator_needs_weights(study: Study) -> bool:
    """Whether the translating model's weights are read on this machine."""
    return study.engine.name != "server" or study.translation.method != "chat"
