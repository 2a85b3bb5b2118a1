"""Translation by a chat model, through whatever trace engine the study uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from mitt_assets.errors import ModelError
from mitt_assets.method.identity import seed_of
from mitt_assets.method.requests import Request, Sampling
from resources.engines.base import ModelFiles, TraceEngine
from resources.translators.base import Progress, Translator

END_THINK = "</think>"
TEMPERATURE = 0.7
"""Of the draws after the first attempt (our choice)."""


class ChatTranslator(Translator):
    """Asks ``prompt`` of a chat model: greedily first, then with draws. A text at a time."""

    by_sentence = False

    def __init__(
        self,
        engine: TraceEngine,
        model: ModelFiles,
        *,
        prompt: str,
        tokens: int,
        names: Mapping[str, str],
    ) -> None:
        """``prompt`` has the blanks {source}, {target}, {text}; ``names`` are English names of
        languages by code; ``tokens`` is the longest reply, a thought included.
        """
        self._engine = engine
        self._files = model
        self._prompt = prompt
        self._tokens = tokens
        self._names = names

    def translate(
        self,
        texts: Sequence[str],
        source: str,
        target: str,
        attempt: int = 0,
        progress: Progress | None = None,
    ) -> list[list[str]]:
        """One candidate for each text; see the gateway."""
        self._engine.load(self._files, None)
        asked = [self._request(text, source, target, attempt) for text in texts]
        sampling = Sampling(TEMPERATURE if attempt else 0.0, 1.0)
        made = self._engine.generate(asked, sampling, progress)
        # What was cut off, or never left its thought, is no translation.
        return [[self._reply(one.tokens) if one.stopped else ""] for one in made]

    def describe(self) -> dict[str, Any]:
        """Kind, model, prompt and the engine's own description."""
        return {
            "translator": "chat",
            "model": self._files.source,
            "revision": self._files.revision,
            "prompt": self._prompt,
            "engine": self._engine.describe(),
        }

    def materials(self) -> dict[str, str]:
        """The files that the engine computes with, as far as it sees them."""
        return self._engine.materials(self._files)

    def close(self) -> None:
        """Nothing: the engine is the study's, and closed with it."""

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        library: Any = AutoTokenizer.from_pretrained(
            self._files.folder, local_files_only=True, trust_remote_code=False
        )
        if not getattr(library, "chat_template", None) or library.eos_token_id is None:
            raise ModelError(
                f"translation.source: the tokenizer of {self._files.source} has no chat template"
                " or no end token; choose an instruct model"
            )
        return library

    def _request(self, text: str, source: str, target: str, attempt: int) -> Request:
        asked = self._prompt.format(
            source=self._names[source], target=self._names[target], text=text
        )
        rendered = self._tokenizer.apply_chat_template(
            [{"role": "user", "content": asked}], tokenize=False, add_generation_prompt=True
        )
        return Request(
            tokens=tuple(self._tokenizer.encode(rendered, add_special_tokens=False)),
            seed=seed_of("translation", text, source, target, attempt),
            max_tokens=self._tokens,
            stop=(self._tokenizer.eos_token_id,),
        )

    def _reply(self, tokens: Sequence[int]) -> str:
        """What was said after the thought, if there was one, without the end token."""
        written = self._tokenizer.decode(list(tokens[:-1]), skip_special_tokens=False)
        return str(written).rpartition(END_THINK)[2].strip()
