"""Encoder-decoder models shaped as NLLB and MADLAD, random or fitted to a few sentence pairs.

And a chat model, which is random.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from resources.engines.base import ModelFiles
from tests.fakes.tiny_models import tiny_model

Pair = tuple[str, str, str, str]
"""Source language, target language (their tokens), text and its translation."""
_TEMPLATE = "{% for m in messages %}<user>{{ m.content }}{% endfor %}<assistant>"
PAD, END, UNKNOWN, START = "<pad>", "</s>", "<unk>", "<s>"


def nllb_like(folder: Path, tokens: Sequence[str], texts: Iterable[str]) -> ModelFiles:
    """A random M2M100 that knows the words of ``texts``, its config as NLLB's."""
    from transformers import M2M100Config

    size = _tokenizer(folder, [START, PAD, END, UNKNOWN], tokens, texts)
    width = {f"{side}_{part}": value for side in ("encoder", "decoder") for part, value in _PARTS}
    config = M2M100Config(
        vocab_size=size,
        d_model=48,
        **width,
        max_position_embeddings=64,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=2,
        scale_embedding=True,
    )
    return _save(folder, config)


def madlad_like(folder: Path, tokens: Sequence[str], texts: Iterable[str]) -> ModelFiles:
    """A random T5 that knows the words of ``texts``, its config as MADLAD's."""
    from transformers import T5Config

    size = _tokenizer(folder, [UNKNOWN, PAD, END], tokens, texts)
    config = T5Config(
        vocab_size=size,
        d_model=48,
        d_kv=12,
        d_ff=96,
        num_layers=2,
        num_heads=4,
        dropout_rate=0.0,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        pad_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=0,
    )
    return _save(folder, config)


def chat_like(folder: Path, texts: Iterable[str]) -> ModelFiles:
    """A tiny Llama with a chat template and a tokenizer of the letters in ``texts``."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(set("".join([*texts, "<userassistant>"])))
    vocabulary = {one: i for i, one in enumerate(["<s>", END, *letters])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<s>"))
    backend.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    backend.decoder = decoders.Fuse()
    library = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token=END, chat_template=_TEMPLATE
    )
    files = tiny_model(folder)
    library.save_pretrained(files.folder)
    return files


def fitted(files: ModelFiles, pairs: Sequence[Pair], steps: int) -> ModelFiles:
    """The same model, trained on ``pairs`` until it says them by heart."""
    import torch
    from tokenizers import Tokenizer
    from transformers import AutoModelForSeq2SeqLM

    tokenizer = Tokenizer.from_file(str(files.folder / "tokenizer.json"))
    model = AutoModelForSeq2SeqLM.from_pretrained(files.folder)
    end, forced = model.config.eos_token_id, model.config.model_type == "m2m_100"

    def ids(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False).ids)

    reads, says = [], []
    for source, target, text, translation in pairs:
        before = tokenizer.token_to_id(source if forced else target)
        reads.append([before, *ids(text), end])
        begin = [tokenizer.token_to_id(target)] if forced else []
        says.append([*begin, *ids(translation), end])
    pad = model.config.pad_token_id
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        tokens, labels = _padded(reads, pad), _padded(says, -100)
        optimiser = torch.optim.AdamW(model.parameters(), lr=4e-3)
        for _ in range(steps):
            loss = model(
                input_ids=tokens, attention_mask=(tokens != pad).long(), labels=labels
            ).loss
            loss.backward()
            optimiser.step()
            optimiser.zero_grad()
    model.save_pretrained(files.folder)
    return files


_PARTS = (("layers", 1), ("attention_heads", 4), ("ffn_dim", 96), ("layerdrop", 0.0))


def _tokenizer(
    folder: Path, special: Sequence[str], tokens: Sequence[str], texts: Iterable[str]
) -> int:
    """Pieces are words and letters. The library's trainers give others in every process."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    words = sorted({f"▁{word}" for text in texts for word in text.split()})
    letters = sorted(set("".join(words)) | set("0123456789"))
    pieces = [(one, 0.0) for one in special]
    pieces += [(one, -1.0) for one in words] + [(one, -9.0) for one in letters]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=special.index(UNKNOWN)))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens([AddedToken(one, special=True) for one in [*special, *tokens]])
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return int(tokenizer.get_vocab_size())


def _save(folder: Path, config: Any) -> ModelFiles:
    import torch
    from transformers import AutoModelForSeq2SeqLM

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        AutoModelForSeq2SeqLM.from_config(config).save_pretrained(folder)
    return ModelFiles("translator", str(folder), None, "float32", folder)


def _padded(rows: Sequence[Sequence[int]], filler: int) -> Any:
    import torch

    longest = max(map(len, rows))
    return torch.tensor([[*row, *[filler] * (longest - len(row))] for row in rows])
