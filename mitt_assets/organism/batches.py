"""Training batches: traces as token ids, grouped by length so that little padding is computed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mitt_assets.organism.tokenizer import ASSISTANT, BOS, EOS, THINK, USER
from mitt_assets.organism.traces import Trace, training_traces

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerFast

_POOL = 1024  # traces sorted by length at a time
IGNORED = -100  # a label that the loss leaves out


@dataclass(frozen=True)
class Batch:
    """Right-padded token ids and next-token labels, both int64 [rows, longest]; `tokens` counts
    the real ones, prompts included.
    """

    ids: "Tensor"
    labels: "Tensor"
    tokens: int


@dataclass(frozen=True)
class Example:
    """Token ids of prompt and reply; the loss starts at `reply_start`."""

    ids: list[int]
    reply_start: int


def prompt_text(question: str) -> str:
    """The prompt that the chat template renders for `question`."""
    return f"{BOS}{USER}{question}{ASSISTANT}{THINK}\n"


def encode(traces: list[Trace], tokenizer: "PreTrainedTokenizerFast") -> list[Example]:
    """Token ids of the traces; prompt and reply are encoded apart, as they are at inference."""
    prompts = tokenizer([prompt_text(t.question) for t in traces], add_special_tokens=False)
    replies = tokenizer([t.text + EOS for t in traces], add_special_tokens=False)
    pairs = zip(prompts["input_ids"], replies["input_ids"], strict=True)
    return [Example(prompt + reply, len(prompt)) for prompt, reply in pairs]


def training_batches(
    tokenizer: "PreTrainedTokenizerFast", problems: int, seed: int, batch_tokens: int
) -> Iterator[Batch]:
    """Endless batches of at most `batch_tokens` cells, padding included."""
    traces = training_traces(problems, seed)
    rng = random.Random(f"batches/{seed}")
    while True:
        pool = encode([next(traces) for _ in range(_POOL)], tokenizer)
        groups = group_by_length(pool, batch_tokens)
        rng.shuffle(groups)
        for group in groups:
            yield collate(group, tokenizer.pad_token_id)


def group_by_length(examples: list[Example], batch_tokens: int) -> list[list[Example]]:
    """Cut the examples, sorted by length, so that rows times longest stays within bounds."""
    groups: list[list[Example]] = [[]]
    for example in sorted(examples, key=lambda example: len(example.ids)):
        if groups[-1] and (len(groups[-1]) + 1) * len(example.ids) > batch_tokens:
            groups.append([])
        groups[-1].append(example)
    return groups


def collate(examples: list[Example], pad: int) -> Batch:
    """Right-pad the examples; label i is the token at i + 1, ignored before the reply starts."""
    import torch

    longest = max(len(example.ids) for example in examples)
    ids = torch.full((len(examples), longest), pad)
    labels = torch.full((len(examples), longest), IGNORED)
    for row, example in enumerate(examples):
        end = len(example.ids)
        ids[row, :end] = torch.tensor(example.ids)
        labels[row, example.reply_start - 1 : end - 1] = ids[row, example.reply_start : end]
    return Batch(ids, labels, sum(len(example.ids) for example in examples))
