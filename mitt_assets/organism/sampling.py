"""Sampling replies from a reasoner, in batches, with or without one forced wait.

This is the organism's own small sampler for its development check; a study generates through the
engines of `resources/`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mitt_assets.organism.tokenizer import END_THINK, EOS

if TYPE_CHECKING:
    from torch import Generator, Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


@dataclass(frozen=True)
class Sampler:
    """A reasoner with its tokenizer and sampling settings; `top_p` and `temperature` as usual."""

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerFast"
    temperature: float
    top_p: float
    max_new_tokens: int

    def complete(self, starts: list[list[int]], stop: str, seed: int) -> list[list[int]]:
        """Continue every start until the token `stop` (kept) or the limit; same order."""
        import torch

        generator = torch.Generator().manual_seed(seed)
        stop_id: int = self.tokenizer.convert_tokens_to_ids(stop)
        finished = [list(start) for start in starts]
        alive = list(range(len(starts)))
        ids, mask = self._left_padded(starts)
        cache = None
        with torch.inference_mode():
            for _ in range(self.max_new_tokens):
                positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
                output = self.model(
                    input_ids=ids,
                    attention_mask=mask,
                    position_ids=positions,
                    past_key_values=cache,
                    use_cache=True,
                )
                chosen = self._choose(output.logits[:, -1], generator)
                for row, token in zip(alive, chosen.tolist(), strict=True):
                    finished[row].append(token)
                keep = chosen.ne(stop_id).nonzero().flatten()
                if not len(keep):
                    break
                cache = output.past_key_values
                if len(keep) < len(alive):
                    alive = [alive[i] for i in keep.tolist()]
                    cache.batch_select_indices(keep)
                mask = torch.cat([mask[keep], mask.new_ones(len(keep), 1)], dim=1)
                ids = chosen[keep, None]
        return finished

    def _left_padded(self, starts: list[list[int]]) -> tuple["Tensor", "Tensor"]:
        """Token ids and attention mask, both int64 [rows, longest], padding on the left."""
        import torch

        longest = max(len(start) for start in starts)
        pad = self.tokenizer.pad_token_id
        ids = [[pad] * (longest - len(start)) + start for start in starts]
        mask = [[0] * (longest - len(start)) + [1] * len(start) for start in starts]
        return torch.tensor(ids), torch.tensor(mask)

    def _choose(self, logits: "Tensor", generator: "Generator") -> "Tensor":
        """Sample one token per row from the smallest set that holds `top_p` of the mass."""
        import torch

        probabilities = torch.softmax(logits.float() / self.temperature, dim=-1)
        ordered, order = probabilities.sort(descending=True)
        ordered[ordered.cumsum(-1) - ordered > self.top_p] = 0.0
        picked = torch.multinomial(ordered, 1, generator=generator)
        return order.gather(-1, picked).flatten()


def natural_replies(sampler: Sampler, prompts: list[list[int]], seed: int) -> list[list[int]]:
    """Prompt and reply up to the end of sentence, or the limit."""
    return sampler.complete(prompts, EOS, seed)


def forced_replies(
    sampler: Sampler, replies: list[list[int]], wait: list[str], seed: int
) -> list[list[int]]:
    """Replace each reply's end of thought by its wait word and go on to the end of sentence.

    A reply that never ended its thought is left as it is.
    """
    end: int = sampler.tokenizer.convert_tokens_to_ids(END_THINK)
    rows = [row for row, reply in enumerate(replies) if end in reply]
    starts = [
        replies[row][: replies[row].index(end)] + sampler.tokenizer(wait[row])["input_ids"]
        for row in rows
    ]
    forced = list(replies)
    if starts:
        for row, reply in zip(rows, sampler.complete(starts, EOS, seed), strict=True):
            forced[row] = reply
    return forced
