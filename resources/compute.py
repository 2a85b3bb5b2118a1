"""How a study's models compute on this machine: device, arithmetic, attention, memory share.

What a study names is kept; what it leaves open (``auto``, or no value) follows from the hardware.
Every engine takes its values from one choice, and tells them in the statements of what it made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resources.engines.attention import NAME

if TYPE_CHECKING:
    from mitt_assets.study import Engine

AUTO = "auto"
SHARE = 0.85
"""Of a device's memory, for vLLM at most: the sentence encoder works beside it. Our choice."""
FREE = 0.9
"""Of what is free, for vLLM at most: what works beside it grows. Our choice."""
_BFLOAT16 = (8, 0)
"""Compute capability from which bfloat16 is not emulated (CUDA C++ Programming Guide, 5.1)."""
_ATTENTION = {"transformers": NAME, "vllm": "vLLM's own", "server": "the server's"}
"""By engine. A model whose cache is no plain list of columns gets the library's, sdpa."""


@dataclass(frozen=True)
class Hardware:
    """What a choice depends on.

    ``capability`` is that of the weakest CUDA device, None on a CPU; ``free`` is the share of the
    first device's memory (of the machine's on a CPU) that nobody has taken.
    """

    device: str
    capability: tuple[int, int] | None = None
    free: float = 1.0


@dataclass(frozen=True)
class Choice:
    """Where and how models compute.

    ``dtype`` is what ``auto`` stands for; ``memory_share`` is vLLM's, of each device's memory.
    """

    device: str
    dtype: str
    attention: str
    memory_share: float


def choose(engine: Engine, hardware: Hardware) -> Choice:
    """What the study's engine asks for, and where it does not, what suits the hardware."""
    return Choice(
        device=hardware.device,
        dtype=_dtype(hardware.capability),
        attention=_ATTENTION[engine.name],
        memory_share=engine.vllm.memory_share or _share(hardware.free),
    )


def _dtype(capability: tuple[int, int] | None) -> str:
    if capability is None:
        return "float32"  # the only arithmetic whose bytes repeat on a CPU
    return "bfloat16" if capability >= _BFLOAT16 else "float16"


def _share(free: float) -> float:
    """In whole per cents, at least one."""
    return min(SHARE, max(1, int(100 * FREE * free)) / 100)
