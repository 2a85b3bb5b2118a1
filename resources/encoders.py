"""Sentence encoders: texts to unit vectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mitt_assets.errors import ModelError
from resources.models import ORGANISM, digests, locate

_BATCH = 64
"""Texts encoded together: fixed, for the sums in a batch depend on its padding. Our choice."""


class SentenceEncoder(ABC):
    """Puts texts of any language into one space where the cosine is a similarity."""

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, dimension) unit vectors in order; an empty text gets zeros."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """Length of a vector."""

    @property
    @abstractmethod
    def files(self) -> Mapping[str, str]:
        """sha256 of each file of the encoder, by its path in the encoder's folder."""


class SentenceTransformerEncoder(SentenceEncoder):
    """An encoder of sentence-transformers: the organism's, a local folder or a hub id."""

    def __init__(
        self, source: str, revision: str | None, device: str, cache: Path | None = None
    ) -> None:
        """Nothing is loaded before the first text. ``cache`` keeps file digests, if given."""
        self.source = source
        self.revision = revision
        self.device = device
        self._cache = cache

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Equal texts are encoded once. Raises ModelError if the encoder cannot be loaded."""
        distinct = sorted({text for text in texts if text.strip()})
        vectors = np.zeros((len(distinct) + 1, self.dimension), dtype=np.float32)
        if distinct:
            vectors[:-1] = self._model.encode(
                distinct, batch_size=_BATCH, convert_to_numpy=True, show_progress_bar=False
            )
        place = {text: row for row, text in enumerate(distinct)}
        return _unit(vectors)[[place.get(text, len(distinct)) for text in texts]]

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self._model.get_embedding_dimension())

    @cached_property
    def files(self) -> Mapping[str, str]:
        """sha256 of each file."""
        return digests(self.folder, self._cache)

    @cached_property
    def folder(self) -> Path:
        """Where the encoder lies. Raises ModelError if it is not there."""
        if self.source == ORGANISM:
            from mitt_assets.organism import encoder_path

            return encoder_path()
        return locate(self.source, self.revision, "encoder.source")

    @cached_property
    def _model(self) -> Any:
        return _load(self.folder, self.source, self.device)


def _load(folder: Path, source: str, device: str) -> Any:
    from sentence_transformers import SentenceTransformer

    if not (folder / "modules.json").is_file():
        raise ModelError(
            f"encoder {source}: {folder} has no modules.json, so it is no sentence-transformers "
            "model: mend encoder.source in the study file"
        )
    model = SentenceTransformer(
        str(folder),
        device=device,
        local_files_only=True,
        trust_remote_code=False,
        model_kwargs=None if _is_static(folder) else {"use_safetensors": True},
    )
    model.eval()
    return model


def _is_static(folder: Path) -> bool:
    """Whether the encoder is a table of token vectors, which takes no arguments for a model."""
    return "StaticEmbedding" in (folder / "modules.json").read_text(encoding="utf-8")


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each row divided by its length; rows of zeros stay."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return (vectors / np.where(lengths == 0, 1.0, lengths)).astype(np.float32)
