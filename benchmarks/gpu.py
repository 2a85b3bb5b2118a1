"""What the paper's models cost on a GPU, measured with random weights of their exact shape.

    python -m benchmarks.gpu                          # Qwen2-7B's shape, added to RESULTS.md
    python -m benchmarks.gpu --engine vllm
    python -m benchmarks.gpu --shape tiny --device cpu   # tries every step; the page stays

Speed does not depend on what weights say. Generation is set against the memory-bandwidth limit: a
step of a batch must read every weight once and each row's keys and values, at the bandwidth that a
copy on the same device reaches.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mitt_assets.method.requests import Branch, ProbeRequest, Request, Sampling
from mitt_assets.study import Vllm
from resources.engines.base import ModelFiles, TraceEngine
from resources.gpu import choose_device, describe_device, memory_peak

PAGE = Path(__file__).with_name("RESULTS.md")
NOT_MEASURED = "Not measured: no GPU was at hand.\n"
SAMPLING = Sampling(temperature=0.6, top_p=0.95)
STRIDE, SUFFIX, ANSWER = 32, tuple(range(20, 31)), 12


@dataclass(frozen=True)
class Shape:
    """A model's configuration, and how much of everything is measured on it."""

    config: dict[str, Any]
    dtype: str
    batches: tuple[int, ...]
    prompt: int
    tokens: int
    trace: int
    rows: int
    row: int
    copied: int


SHAPES = {
    # Qwen/Qwen2-7B, config.json.
    "qwen2-7b": Shape(
        config={
            "vocab_size": 152_064,
            "hidden_size": 3_584,
            "intermediate_size": 18_944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
            "max_position_embeddings": 131_072,
            "rope_theta": 1_000_000.0,
            "tie_word_embeddings": False,
        },
        dtype="bfloat16",
        batches=(32, 128),
        prompt=200,
        tokens=512,
        trace=10_000,
        rows=8,
        row=1_024,
        copied=2**32,
    ),
    "tiny": Shape(
        config={
            "vocab_size": 1_280,
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 2_048,
            "tie_word_embeddings": False,
        },
        dtype="float32",
        batches=(2, 4),
        prompt=20,
        tokens=16,
        trace=160,
        rows=2,
        row=32,
        copied=2**22,
    ),
}


def random_model(shape: Shape, device: str, folder: Path) -> ModelFiles:
    """A Qwen2 of this shape with random weights, made on the device and saved."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(**shape.config)
    torch.manual_seed(0)
    with torch.device(device):
        model = Qwen2ForCausalLM._from_config(config, dtype=getattr(torch, shape.dtype))
    model.save_pretrained(folder)
    return ModelFiles("random", "benchmarks/random", None, shape.dtype, folder)


def bandwidth(device: str, size: int) -> float:
    """Bytes per second that a copy of ``size`` bytes reads and writes on the device."""
    import torch

    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    target.copy_(source)
    seconds = timed(lambda: target.copy_(source), device)[1]
    return 2 * size / seconds


def timed(work: Callable[[], Any], device: str) -> tuple[Any, float]:
    """What ``work`` returns and the seconds until the device has finished it."""
    _finish(device)
    start = time.perf_counter()
    made = work()
    _finish(device)
    return made, time.perf_counter() - start


def limit(shape: Shape, rows: int, context: float, speed: float, weights: int) -> float:
    """Tokens per second of a batch if reading weights, keys and values were all there is."""
    import torch

    config, item = shape.config, getattr(torch, shape.dtype).itemsize
    width = config["hidden_size"] // config["num_attention_heads"]
    column = 2 * config["num_hidden_layers"] * config["num_key_value_heads"] * width * item
    return rows * speed / (weights + rows * context * column)


def asked(shape: Shape, rows: int, tokens: int) -> list[Request]:
    """Random prompts; no stop token, so that every row is as long as asked."""
    draw, size = random.Random(rows), shape.config["vocab_size"]
    return [
        Request(tuple(draw.randrange(size) for _ in range(shape.prompt)), row, tokens, ())
        for row in range(rows)
    ]


def probe_of(request: Request, trace: tuple[int, ...]) -> ProbeRequest:
    """Checkpoints every 32 tokens and at the end."""
    places = sorted({*range(STRIDE, len(trace), STRIDE), len(trace)})
    return ProbeRequest(
        request.tokens, trace, tuple(Branch(at, SUFFIX) for at in places), ANSWER, ()
    )


def generation(
    shape: Shape, engine: TraceEngine, device: str, weights: int
) -> tuple[list[tuple[str, str]], dict[int, float]]:
    """Speed at each batch size, beside the limit."""
    speed = bandwidth(device, shape.copied)
    lines = [("bandwidth of a copy", f"{speed / 1e9:,.0f} GB/s")]
    found = {}
    engine.generate(asked(shape, shape.batches[0], 4), SAMPLING)
    for rows in shape.batches:
        requests = asked(shape, rows, shape.tokens)
        made, seconds = timed(lambda some=requests: engine.generate(some, SAMPLING), device)
        found[rows] = sum(len(one.tokens) for one in made) / seconds
        most = limit(shape, rows, shape.prompt + shape.tokens / 2, speed, weights)
        lines.append(
            (
                f"generation, batch {rows}, {shape.prompt} + {shape.tokens} tokens",
                f"{found[rows]:,.0f} tokens/s, {found[rows] / most:.0%} of the bandwidth limit "
                f"({most:,.0f})",
            )
        )
    return lines, found


def probing(
    shape: Shape, engine: TraceEngine, device: str, speeds: dict[int, float]
) -> list[tuple[str, str]]:
    """Probes of a long trace against generating it, alone and in a batch."""
    [request] = asked(shape, 1, shape.trace)
    [made], alone = timed(lambda: engine.generate([request], SAMPLING), device)
    probe = probe_of(request, made.tokens)
    _, one = timed(lambda: engine.probe([probe]), device)
    rows = shape.batches[0]
    # A trace of its own to each row: an engine's prefix cache would read equal ones once.
    draw, size = random.Random(2), shape.config["vocab_size"]
    others = [
        probe_of(one, tuple(draw.randrange(size) for _ in range(shape.trace)))
        for one in asked(shape, rows, 0)
    ]
    _, many = timed(lambda: engine.probe(others), device)
    together = rows * shape.trace / speeds[rows]
    return [
        (f"generating a trace of {shape.trace:,} tokens, batch 1", f"{alone:,.1f} s"),
        (
            f"its {len(probe.branches)} probes",
            f"{one:,.1f} s, {one / alone:.1%} of generating it (target: at most 10 %)",
        ),
        (
            f"probes of {rows} such traces",
            f"{many:,.1f} s, {many / together:.1%} of generating them at the speed of batch {rows}",
        ),
    ]


def training(shape: Shape, files: ModelFiles, device: str, folder: Path) -> list[tuple[str, str]]:
    """One LoRA step as study paper tunes; the second, for the first warms the library up."""
    from mitt_assets.study_file import load_study
    from resources.tuning import TrainingRow, tune

    recipe = load_study("paper").variants["mitt"].recipe
    assert recipe is not None
    settings = recipe.adapter.model_copy(update={"steps": 2, "batch": shape.rows})

    draw, size = random.Random(1), shape.config["vocab_size"]
    rows = [
        TrainingRow(tuple(draw.randrange(size) for _ in range(shape.row)), shape.row // 2)
        for _ in range(shape.rows)
    ]
    moments: list[float] = []

    def step(*now: Any) -> None:
        _finish(device)
        moments.append(time.perf_counter())

    _forget_peak(device)
    checkpointing = device != "cpu"
    tune(files, rows, settings, folder, device=device, checkpointing=checkpointing, progress=step)
    return [
        (
            f"a LoRA step, {shape.rows} sequences of {shape.row:,} tokens",
            f"{moments[1] - moments[0]:,.2f} s",
        ),
        ("peak memory of training", _gigabytes(memory_peak(device))),
    ]


def measure(shape: Shape, name: str, device: str) -> list[tuple[str, str]]:
    """Everything, one line each."""
    with TemporaryDirectory() as folder:
        files = random_model(shape, device, Path(folder) / "model")
        weights = sum(path.stat().st_size for path in files.folder.glob("*.safetensors"))
        _forget_peak(device)
        engine = _engine(name, device)
        engine.load(files, None)
        lines = [("weights", _gigabytes(weights))]
        more, speeds = generation(shape, engine, device, weights)
        lines += more + probing(shape, engine, device, speeds)
        lines.append(("peak memory of generating and probing", _gigabytes(engine.memory_peak())))
        engine.close()
        return lines + training(shape, files, device, Path(folder) / "adapter")


def entry(command: str, engine: str, device: str, lines: list[tuple[str, str]]) -> str:
    """What goes into the page: when, on what, how, and the numbers."""
    from importlib.metadata import version

    found = describe_device(device)
    on = [found["name"], *(f"{key} {found[key]}" for key in ("driver", "cuda") if found.get(key))]
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "peft"))
    head = f"### {datetime.now(UTC):%Y-%m-%d}, {', '.join(on)}, engine {engine}"
    table = "\n".join(["| what | measured |", "|---|---|", *(f"| {a} | {b} |" for a, b in lines)])
    return f"{head}\n\n`{command}` ({libraries})\n\n{table}\n"


def add(page: Path, text: str) -> None:
    """Put an entry at the end of the page, in the place of the sentence that there is none."""
    before = page.read_text(encoding="utf-8").replace(NOT_MEASURED, "").rstrip()
    page.write_text(f"{before}\n\n{text}", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu")
    parser.add_argument("--shape", choices=SHAPES, default="qwen2-7b")
    parser.add_argument("--engine", choices=("transformers", "vllm"), default="transformers")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    given = arguments if arguments is not None else sys.argv[1:]
    chosen = parser.parse_args(given)
    device = choose_device(chosen.device)
    if device == "cpu" and chosen.shape != "tiny":
        print(f"{NOT_MEASURED}Try the steps with: python -m benchmarks.gpu --shape tiny")
        return 0
    lines = measure(SHAPES[chosen.shape], chosen.engine, device)
    text = entry(" ".join(["python -m benchmarks.gpu", *given]), chosen.engine, device, lines)
    print(text)
    if device != "cpu":
        add(PAGE, text)
    return 0


def _engine(name: str, device: str) -> TraceEngine:
    if name == "vllm":
        from resources.engines.vllm_engine import VllmEngine

        return VllmEngine(device, Vllm())
    from resources.engines.transformers_engine import TransformersEngine

    return TransformersEngine(device)


def _finish(device: str) -> None:
    if device != "cpu":
        import torch

        torch.cuda.synchronize(device)


def _forget_peak(device: str) -> None:
    if device != "cpu":
        import torch

        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def _gigabytes(number: int | None) -> str:
    return "unknown" if number is None else f"{number / 2**30:,.2f} GiB"


if __name__ == "__main__":
    sys.exit(main())
