"""Encoder-decoder translation models of transformers: NLLB and MADLAD.

The two name languages differently. NLLB puts the source language's token before the text and is
made to begin with the target's; MADLAD reads the target's token before the text. The tokenizer is
the one in the model's tokenizer.json: the library's classes build another from its vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from mitt_assets.errors import ModelError
from mitt_assets.method.identity import seed_of
from resources.engines.base import ModelFiles
from resources.translators.base import Progress, Translator

if TYPE_CHECKING:
    from tokenizers import Tokenizer

NLLB = {
    "en": "eng_Latn",
    "it": "ita_Latn",
    "de": "deu_Latn",
    "pt": "por_Latn",
    "vi": "vie_Latn",
    "tl": "tgl_Latn",
}
"""FLORES-200 codes, which are NLLB's tokens."""
MADLAD = {"tl": "fil"}
"""Where MADLAD's code is another than ours; it has no <2tl>."""
PREFIXED = ("t5",)
FORCED = ("m2m_100", "nllb-moe")
"""Model types that read the target's token before the text, and that begin with it."""

BATCH = 16
"""Texts in one batch: fixed, for the sums in a batch depend on its padding. Our choice."""
TEMPERATURE = 0.7
"""Of the draws after the first attempt (our choice)."""


class Seq2SeqTranslator(Translator):
    """Beam search first, then draws; ``beams`` candidates of each. Sentence by sentence."""

    by_sentence = True

    def __init__(
        self, model: ModelFiles, device: str, *, beams: int, languages: Mapping[str, str]
    ) -> None:
        """Nothing is loaded before the first text. ``languages``: tokens by language code."""
        self._files = model
        self._device = device
        self._beams = beams
        self._languages = languages

    def translate(
        self,
        texts: Sequence[str],
        source: str,
        target: str,
        attempt: int = 0,
        progress: Progress | None = None,
    ) -> list[list[str]]:
        """Candidates for each text, the best first; see the gateway."""
        encoded = [self._encode(text, source, target) for text in texts]
        found: dict[int, list[str]] = {}
        tokens = 0
        for places in self._batches(encoded, attempt):
            seed = seed_of("translation", texts[places[0]], source, target, attempt)
            made = self._generate([encoded[i] for i in places], target, attempt, seed)
            for place, candidates in zip(places, made, strict=True):
                found[place] = [self._decode(one) for one in candidates]
                tokens += sum(map(len, candidates))
            if progress is not None:
                progress(len(found), tokens)
        return [found[i] for i in range(len(texts))]

    def describe(self) -> dict[str, Any]:
        """Kind, model, versions, device and settings."""
        from resources.gpu import describe_device

        return {
            "translator": "seq2seq",
            "model": self._files.source,
            "revision": self._files.revision,
            "dtype": self._files.dtype,
            "beams": self._beams,
            "versions": {name: version(name) for name in ("transformers", "tokenizers", "torch")},
            "device": describe_device(self._device),
        }

    def materials(self) -> dict[str, str]:
        """All files of the model."""
        return dict(self._files.files)

    def close(self) -> None:
        """Forget the model and free the device."""
        from resources.gpu import release

        self.__dict__.pop("_model", None)
        release(self._device)

    @cached_property
    def _model(self) -> Any:
        return _load(self._files, self._device)

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        from tokenizers import Tokenizer

        path = self._files.folder / "tokenizer.json"
        if not path.is_file():
            raise ModelError(
                f"translation.source: {self._files.source} has no tokenizer.json; convert its"
                " sentencepiece model to one with transformers first"
            )
        return Tokenizer.from_file(str(path))

    @property
    def _forced(self) -> bool:
        return self._model.config.model_type in FORCED

    @property
    def _end(self) -> int:
        end = self._model.generation_config.eos_token_id
        return int(end[0] if isinstance(end, list) else end)

    def _token(self, language: str) -> int:
        """The id of a language's token. Raises ModelError if the model has none."""
        default = NLLB.get(language) if self._forced else f"<2{MADLAD.get(language, language)}>"
        name = self._languages.get(language, default)
        token = self._tokenizer.token_to_id(name) if name else None
        if token is None:
            said = f"{name} is not in its vocabulary" if name else "none is known by default"
            raise ModelError(
                f"translation.languages.{language}: {self._files.source} has no token for it"
                f" ({said}); name the model's own, such as tgl_Latn (NLLB) or <2fil> (MADLAD)"
            )
        return int(token)

    def _encode(self, text: str, source: str, target: str) -> list[int]:
        before = self._token(source if self._forced else target)
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        longest = getattr(self._model.config, "max_position_embeddings", None)
        if longest is not None and len(ids) + 2 > longest:
            raise ModelError(
                f"translation.source: {self._files.source} reads {longest} tokens, but a sentence"
                f" has {len(ids)}: {text[:60]}…; translate it yourself in translation.file"
            )
        return [before, *ids, self._end]

    def _decode(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True)).strip()

    def _batches(self, encoded: Sequence[list[int]], attempt: int) -> Iterator[list[int]]:
        """Places of texts of like length; drawn ones alone, so that company changes nothing."""
        size = 1 if attempt else BATCH
        order = sorted(range(len(encoded)), key=lambda i: (len(encoded[i]), i))
        return (order[i : i + size] for i in range(0, len(order), size))

    def _generate(
        self, batch: Sequence[list[int]], target: str, attempt: int, seed: int
    ) -> list[list[list[int]]]:
        """Per text, its candidates as ids; nothing for one that did not end."""
        import torch

        longest = max(map(len, batch))
        pad = int(self._model.generation_config.pad_token_id)
        rows = [[*ids, *[pad] * (longest - len(ids))] for ids in batch]
        mask = [[1] * len(ids) + [0] * (longest - len(ids)) for ids in batch]
        manner: dict[str, Any] = {"num_beams": self._beams, "early_stopping": self._beams > 1}
        if attempt:
            manner = {"do_sample": True, "temperature": TEMPERATURE, "num_beams": 1}
        devices = [] if self._device == "cpu" else [self._device]
        with torch.inference_mode(), torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            made = self._model.generate(
                input_ids=torch.tensor(rows, device=self._device),
                attention_mask=torch.tensor(mask, device=self._device),
                max_new_tokens=2 * longest + 32,
                num_return_sequences=self._beams,
                forced_bos_token_id=self._token(target) if self._forced else None,
                **manner,
            ).tolist()
        ended = [self._ended(ids[1:]) for ids in made]
        return [ended[i : i + self._beams] for i in range(0, len(ended), self._beams)]

    def _ended(self, ids: list[int]) -> list[int]:
        return ids[: ids.index(self._end)] if self._end in ids else []


def _load(files: ModelFiles, device: str) -> Any:
    """The model. Raises ModelError if it is none that this gateway knows how to ask."""
    import torch
    from transformers import AutoConfig, AutoModelForSeq2SeqLM
    from transformers.utils.logging import disable_progress_bar

    from resources.engines.serving import check_folder

    check_folder(files)
    disable_progress_bar()
    try:
        kind = AutoConfig.from_pretrained(files.folder, local_files_only=True).model_type
        if kind not in (*PREFIXED, *FORCED):
            raise ModelError(
                f"translation.source: {files.source} is a {kind} model; seq2seq translates with"
                f" NLLB ({', '.join(FORCED)}) or MADLAD ({', '.join(PREFIXED)}). For a chat model"
                " set translation.method to chat"
            )
        model = AutoModelForSeq2SeqLM.from_pretrained(
            files.folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=getattr(torch, files.dtype),
        )
    except (ValueError, OSError, KeyError) as problem:
        detail = (str(problem).strip() or type(problem).__name__).splitlines()[0]
        raise ModelError(
            f"translation.source: transformers cannot load {files.folder}: {detail}. Give another"
            " model, or fetch this one again"
        ) from problem
    return model.to(device).eval()
