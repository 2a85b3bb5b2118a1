"""The sentence encoder gateway: texts in, unit vectors out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mitt_assets.errors import ModelError
from resources.files import chunks_of, sha256_of

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Vectors = NDArray[np.float32]
_BATCH = 256


class SentenceEncoder(ABC):
    """Embeds texts; which model it is belongs to every result made with it."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """Length of a vector."""

    @property
    @abstractmethod
    def files(self) -> Mapping[str, str]:
        """The sha256 of each of the encoder's files, by relative name."""

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors (n, dimension); the zero vector for an empty text."""


class SentenceTransformerEncoder(SentenceEncoder):
    """A sentence-transformers model: the organism's own, a local folder, or a hub id.

    Raises ModelError if it cannot be found or loaded.
    """

    def __init__(self, source: str, revision: str | None, device: str) -> None:
        self._folder = _folder(source, revision)
        self._device = device

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self._model.get_sentence_embedding_dimension() or 0)

    @cached_property
    def files(self) -> Mapping[str, str]:
        """The sha256 of each file, by relative name."""
        return {
            str(path.relative_to(self._folder)): sha256_of(chunks_of(path))
            for path in sorted(self._folder.rglob("*"))
            if path.is_file()
        }

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors (n, dimension); the zero vector for an empty text."""
        vectors: Vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        filled = [number for number, text in enumerate(texts) if text.strip()]
        if filled:
            raw = self._model.encode(
                [texts[number] for number in filled],
                batch_size=_BATCH,
                show_progress_bar=False,
                convert_to_numpy=True,
            )
            lengths = np.linalg.norm(raw, axis=1, keepdims=True)
            vectors[filled] = raw / np.where(lengths == 0, 1, lengths)
        return vectors

    @cached_property
    def _model(self) -> SentenceTransformer:
        from sentence_transformers import SentenceTransformer

        try:
            return SentenceTransformer(
                str(self._folder), device=self._device, local_files_only=True
            )
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"{self._folder} is not a sentence encoder: {error}") from error


def _folder(source: str, revision: str | None) -> Path:
    if source == "organism":
        from mitt_assets.organism import encoder_path

        return encoder_path()
    if Path(source).is_dir():
        return Path(source)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(source, revision=revision, ignore_patterns=["*.bin", "*.h5"]))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise ModelError(
            f"encoder {source!r} is neither a folder here nor to be had from the hub: {error}"
        ) from error
