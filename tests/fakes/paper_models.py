"""Random models with the architectures, files and traps of the paper's two, small for tests.

What is like the DeepSeek-R1 distills: sharded bfloat16 safetensors with an index, untied
embeddings, grouped key-value heads, a tokenizer of byte-level BPE that is *labelled*
``LlamaTokenizerFast``, a template that opens the thought, strips reasoning from assistant turns and
writes BOS although the tokenizer adds one too, a generation_config that asks for sampling, and
(Qwen2 only) more rows in the embedding than the tokenizer has entries. The template's text is ours.
"""

from __future__ import annotations

import json
from functools import cache
from itertools import islice, product
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase, digits
from typing import Any

from resources.engines.base import ModelFiles

ENTRIES = 32_000
"""Tokens of the tokenizer, special ones included."""
PADDING_ROWS = {"qwen2": 64, "llama": 0}
"""Rows of the embedding that no token uses, as Qwen2-7B has 152,064 rows for 151,665 tokens."""
CONTEXT = 4096
FAMILIES = ("qwen2", "llama")

CLOSING, STOPPING = 8.4, 8.0
"""Output weights of </think> and of the end with ``ends``: 6 % and 3 % of tokens, measured."""

BOS, EOS = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"
USER, ASSISTANT = "<｜User｜>", "<｜Assistant｜>"
THINK, END_THINK = "<think>", "</think>"
TEMPLATE = (
    "{{ bos_token }}"
    "{%- for message in messages %}"
    "{%- if message.role == 'user' %}{{ '" + USER + "' + message.content }}"
    "{%- elif message.role == 'assistant' %}"
    "{%- set said = message.content.rpartition('</think>')[2] %}"
    "{{ '" + ASSISTANT + "' + said + eos_token }}"
    "{%- else %}{{ message.content }}{%- endif %}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{ '" + ASSISTANT + "<think>\\n' }}{%- endif %}"
)

# What the two families' pre-tokenizers disagree on: Qwen2 splits every digit, Llama 3 takes three.
_DIGITS = {"qwen2": r"\p{N}", "llama": r"\p{N}{1,3}"}


def paper_model(
    folder: Path,
    family: str = "qwen2",
    *,
    seed: int = 0,
    dtype: str = "float32",
    ends: bool = False,
    **settings: Any,
) -> ModelFiles:
    """A random model of ``family`` with its tokenizer in ``folder``: 4.2 M weights, 8 MB, 0.2 s.

    ``dtype`` is what engines are asked to compute in; ``settings`` go into the configuration. With
    ``ends`` thoughts and answers end by themselves, after some dozens of tokens; otherwise the
    budget ends them.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    paper_tokenizer(folder, family)
    bos, eos = _special_ids()[BOS], _special_ids()[EOS]
    config = AutoConfig.for_model(family, **{**_shape(family), **settings})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    if ends:
        _make_it_end(model)
    model.generation_config = GenerationConfig(
        bos_token_id=bos, eos_token_id=eos, do_sample=True, temperature=0.6, top_p=0.95
    )
    model.to(torch.bfloat16).save_pretrained(folder, max_shard_size="5MB")
    return ModelFiles(folder.name, str(folder), None, dtype, folder)


def _make_it_end(model: Any) -> None:
    """Give the two ending tokens about a constant probability, whatever was written before.

    One dimension of the residual stream carries the same number for every token and is changed by
    no layer; the ending tokens' output rows read that dimension alone.
    """
    import torch

    ids = _special_ids()
    with torch.no_grad():
        model.get_input_embeddings().weight[:, 0] = 20.0
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight[0] = 0.0
            layer.mlp.down_proj.weight[0] = 0.0
        head = model.get_output_embeddings().weight
        head[:, 0] = 0.0
        for token, weight in ((END_THINK, CLOSING), (EOS, STOPPING)):
            head[ids[token]] = 0.0
            head[ids[token], 0] = weight


def paper_tokenizer(folder: Path, family: str = "qwen2") -> Path:
    """Only the tokenizer's files, in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    _backend(family).save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "LlamaTokenizerFast",
        "add_bos_token": True,
        "add_eos_token": False,
        "legacy": True,
        "bos_token": BOS,
        "eos_token": EOS,
        "pad_token": EOS,
        "unk_token": None,
        "model_max_length": CONTEXT,
        "clean_up_tokenization_spaces": False,
        "chat_template": TEMPLATE,
    }
    text = json.dumps(config, ensure_ascii=False, indent=1)
    (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")
    return folder


def _shape(family: str) -> dict[str, Any]:
    """Weights are drawn wide, so that greedy answers vary instead of repeating one token."""
    ids = _special_ids()
    shape: dict[str, Any] = {
        "vocab_size": ENTRIES + PADDING_ROWS[family],
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "intermediate_size": 128,
        "max_position_embeddings": CONTEXT,
        "initializer_range": 0.3,
        "tie_word_embeddings": False,
        "bos_token_id": ids[BOS],
        "eos_token_id": ids[EOS],
    }
    if family == "llama":
        shape["rope_parameters"] = {
            "rope_type": "llama3",
            "rope_theta": 500_000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": CONTEXT // 4,
        }
    return shape


def _backend(family: str) -> Any:
    """Byte-level BPE as the tokenizers library holds it."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
    from tokenizers.processors import TemplateProcessing

    vocabulary, merges = _merges()
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=list(merges)))
    words = rf" ?\p{{L}}+|{_DIGITS[family]}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s+(?!\S)|\s+"
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(words), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(t, normalized=False) for t in (BOS, EOS)])
    # In the distills these are added tokens, but not special ones.
    backend.add_tokens(
        [AddedToken(t, normalized=False) for t in (USER, ASSISTANT, THINK, END_THINK)]
    )
    backend.post_processor = TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, _special_ids()[BOS])]
    )
    return backend


def _special_ids() -> dict[str, int]:
    names = (BOS, EOS, USER, ASSISTANT, THINK, END_THINK)
    return {name: ENTRIES - len(names) + place for place, name in enumerate(names)}


@cache
def _merges() -> tuple[dict[str, int], tuple[tuple[str, str], ...]]:
    """A vocabulary of letters' pairs and triples: nothing has to be trained."""
    from tokenizers.pre_tokenizers import ByteLevel

    alphabet = sorted(ByteLevel.alphabet())
    letters, space = ascii_lowercase, "Ġ"
    pairs = [
        *product(letters, letters),
        *product(ascii_uppercase, letters),
        *product(digits, digits),
    ]
    # The first byte of most Latin letters with marks, and of Vietnamese ones, with what follows.
    marked = [(first, second) for first in "ÃÄÅÆ" for second in alphabet[-64:]]
    vietnamese = [("á", "º"), ("á", "»")]
    triples = [("".join(pair), letter) for pair in product(letters, letters) for letter in letters]
    numbers = [("".join(pair), digit) for pair in product(digits, digits) for digit in digits]
    spaced = [(space, letter) for letter in letters]
    spaced += [(space, "".join(pair)) for pair in product(letters, letters)]
    first = [*pairs, *marked, *vietnamese, *numbers, *triples, *spaced]
    room = ENTRIES - len(alphabet) - len(first) - len(_special_ids())
    longer = ((space, "".join(triple)) for triple in product(letters, letters, letters))
    merges = tuple([*first, *islice(longer, room)])
    tokens = [*alphabet, *("".join(merge) for merge in merges)]
    return {token: place for place, token in enumerate(tokens)}, merges
