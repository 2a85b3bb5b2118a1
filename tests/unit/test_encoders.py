"""The sentence encoder: unit vectors in order, zeros for nothing, files by digest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mitt_assets.errors import ModelError
from resources.encoders import SentenceTransformerEncoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["[UNK]", "anna", "buys", "kauft", "7", "apples", "pears"]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    weights = torch.randn((len(words), 5), generator=torch.Generator().manual_seed(0)).numpy()
    made = tmp_path_factory.mktemp("encoder")
    embedding = StaticEmbedding(tokenizer, embedding_weights=weights)
    SentenceTransformer(modules=[embedding], device="cpu").save(str(made))
    return made


@pytest.fixture(scope="module")
def encoder(folder: Path) -> SentenceTransformerEncoder:
    return SentenceTransformerEncoder(str(folder), None, "cpu")


def test_vectors_are_unit_in_order_and_zero_for_empty_texts(
    encoder: SentenceTransformerEncoder,
) -> None:
    texts = ["anna buys apples", "", "pears", "  \n", "anna buys apples"]
    vectors = encoder.encode(texts)
    assert vectors.dtype == np.float32
    assert vectors.shape == (5, encoder.dimension) == (5, 5)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 0, 1, 0, 1], abs=1e-6)
    assert (vectors[0] == vectors[4]).all()
    assert not np.allclose(vectors[0], vectors[2])


def test_a_text_gets_the_same_vector_in_any_company(encoder: SentenceTransformerEncoder) -> None:
    texts = [f"anna buys {'7 ' * n}apples" for n in range(70)]
    together = encoder.encode(texts)
    assert np.allclose(together[33], encoder.encode([texts[33]])[0], atol=1e-6)
    assert np.allclose(together[::-1], encoder.encode(texts[::-1]), atol=1e-6)


def test_no_texts_are_no_rows(encoder: SentenceTransformerEncoder) -> None:
    assert encoder.encode([]).shape == (0, 5)


def test_its_files_are_known_by_digest(encoder: SentenceTransformerEncoder) -> None:
    assert {"modules.json", "model.safetensors"} <= {Path(n).name for n in encoder.files}
    assert all(len(digest) == 64 for digest in encoder.files.values())


def test_a_folder_that_is_no_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no modules\.json"):
        SentenceTransformerEncoder(str(tmp_path), None, "cpu").encode(["a"])
