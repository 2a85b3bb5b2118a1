"""The reasoners' own tokenizer: byte-level BPE in which pieces of a reply join without surprise.

Words, numbers, single punctuation marks and newlines are split before any merge. A text cut at
such a boundary therefore has the same ids in pieces as in one, which is what putting a wait word
or a forced answer behind a prefix relies on. Numbers 0-70 are one token each, so that copying a
number is copying a token.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from mitt_assets.organism.recipe import recipe
from mitt_assets.organism.traces import training_traces

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

BOS, EOS, PAD = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜pad｜>"
USER, ASSISTANT = "<｜User｜>", "<｜Assistant｜>"
THINK, END_THINK = "<think>", "</think>"
SPECIAL = (BOS, EOS, PAD, USER, ASSISTANT)

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'user' %}" + USER + "{{ message['content'] }}"
    "{% elif message['role'] == 'assistant' %}" + ASSISTANT + "{{ message['content'] }}"
    "{{ eos_token }}"
    "{% else %}{{ message['content'] }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}" + ASSISTANT + THINK + "{{ '\\n' }}{% endif %}"
)

_PIECES = r"\n| ?[\p{L}\p{M}]+| ?\p{N}+| ?[^\s\p{L}\p{M}\p{N}]| +|\s"


def train_tokenizer() -> "PreTrainedTokenizerFast":
    """Train the tokenizer on the recipe's mixture; seconds, and the same bytes every time."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=_with_numbers(_train_bpe()),
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        unk_token=PAD,  # never met by byte-level BPE; named, so that no class adds one of its own
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=recipe().model["max_position_embeddings"],
        padding_side="left",
    )


def save_tokenizer(tokenizer: "PreTrainedTokenizerFast", folder: Path) -> None:
    """Write the tokenizer into `folder` so that `AutoTokenizer` reads these ids back."""
    tokenizer.save_pretrained(str(folder))


def _train_bpe() -> "Tokenizer":
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    settings = recipe().tokenizer
    numbers = 2 * (settings["highest_number"] + 1) - 10  # ten digits are in the alphabet already
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=settings["vocabulary"] - len(SPECIAL) - 2 - numbers,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator(_texts(settings["examples"]), trainer)
    return bpe


def _texts(count: int) -> list[str]:
    """Questions and thoughts of the mixture, without digits: numbers get their tokens by rule."""
    traces = training_traces(count, recipe().seed)
    return [
        re.sub(r" ?\d+", "", f"{trace.question}\n{trace.text}".replace(END_THINK, ""))
        for trace, _ in zip(traces, range(count), strict=False)
    ]


def _with_numbers(bpe: "Tokenizer") -> "Tokenizer":
    """Add 0-70, bare and behind a space, as tokens that are found before any splitting.

    Merges would not do: for the Qwen2 shape `AutoTokenizer` replaces the splitting rules of a
    tokenizer by Qwen2's own, which cut numbers into digits. Added tokens stay whole under both.
    """
    from tokenizers import AddedToken

    highest = recipe().tokenizer["highest_number"]
    numbers = [str(n) for n in range(10, highest + 1)] + [f" {n}" for n in range(highest + 1)]
    bpe.add_tokens([AddedToken(number, normalized=False) for number in numbers])
    bpe.add_special_tokens([AddedToken(token, normalized=False) for token in SPECIAL])
    bpe.add_tokens([AddedToken(token, normalized=False) for token in (THINK, END_THINK)])
    return bpe
