"""A trained adapter in words: what it belongs to, what it was made of, and how it is loaded.

No date and no machine is in it, so that the same training makes the same card.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml


@dataclass(frozen=True)
class CardFacts:
    """What a card says: all of it stands in the adapter's statement or follows from its inputs.

    ``kept`` is the most tokens kept of a trace that is not ``whole``; ``training_set`` the digest
    of its content.
    """

    variant: str
    base: str
    revision: str | None
    dtype: str
    base_files: Mapping[str, str]
    training_set: str
    sequences: int
    whole: int
    kept: int
    tokens: int
    trace_languages: Sequence[str]
    prompt_languages: Sequence[str]
    settings: Mapping[str, Any]
    losses: Sequence[float]


def adapter_card(facts: CardFacts) -> str:
    """The README.md of an adapter's folder, with the front matter that model hubs read."""
    head: dict[str, Any] = {
        "base_model": facts.base,
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "language": list(facts.prompt_languages),
        "tags": ["lora", "reasoning", "test-time-scaling"],
    }
    pinned = f", revision={facts.revision!r}" if facts.revision else ""
    first, last = facts.losses[0], facts.losses[-1]
    return f"""---
{_yaml(head)}---

# Adapter of the variant {facts.variant}

A LoRA adapter for `{facts.base}`{_at(facts.revision)}, whose weights were held in {facts.dtype}
while the adapter's were trained in float32. It belongs to a study of multilingual test-time
scaling; what no source states was chosen by that study, so it reproduces no published model.

## Trained on

- {facts.sequences:,} sequences, {facts.tokens:,} tokens in all; the questions are masked from the
  loss
- {facts.whole:,} of them whole traces, the others the first {facts.kept:,} tokens of one at most
- traces in {", ".join(facts.trace_languages)}, prompts in {", ".join(facts.prompt_languages)}
- training set, sha256 of its content: `{facts.training_set}`

## Training

{len(facts.losses):,} steps; mean loss per learned token {first:.4f} at the first, {last:.4f} at the
last.

```yaml
{_yaml(facts.settings)}```

## Files of the base (sha256)

{_listed(facts.base_files)}

## Loading

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM

base = AutoModelForCausalLM.from_pretrained({facts.base!r}{pinned})
model = PeftModel.from_pretrained(base, "path/to/this/folder")
```
"""


def _yaml(values: Mapping[str, Any]) -> str:
    return str(yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True, width=100))


def _at(revision: str | None) -> str:
    return f" at revision `{revision}`" if revision else ""


def _listed(files: Mapping[str, str]) -> str:
    return "\n".join(f"- `{name}`: `{digest}`" for name, digest in sorted(files.items()))
