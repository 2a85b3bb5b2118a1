"""Training as large models need it: packed, checkpointed, in bfloat16, resumed, within memory."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mitt_assets.errors import ModelError
from mitt_assets.study import Adapter, Shape
from resources.engines.base import ModelFiles
from resources.engines.loading import load_base
from resources.memory import shape_of
from resources.tuning import TrainingRow, plan_memory, tune
from resources.tuning import memory as tuning_memory
from resources.tuning.batches import packed, packs
from resources.tuning.memory import require_memory
from tests.fakes.tiny_models import VOCABULARY, tiny_model

SETTINGS = Adapter(rank=2, alpha=4, learning_rate=0.02, steps=4, batch=6, pass_tokens=40)
FAMILIES = ("qwen2", "llama")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelFiles]:
    folder = tmp_path_factory.mktemp("models")
    return {one: tiny_model(folder / one, one, shared_heads=2) for one in FAMILIES}


def some_rows(count: int = 9, longest: int = 30) -> list[TrainingRow]:
    draw = random.Random(1)
    lengths = [draw.randint(4, longest) for _ in range(count)]
    return [
        TrainingRow(tuple(draw.randrange(VOCABULARY) for _ in range(n)), draw.randint(1, n - 1))
        for n in lengths
    ]


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder / "adapter_model.safetensors")


def changed(settings: Adapter, **values: object) -> Adapter:
    return settings.model_copy(update=values)


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_sequences_have_the_loss_and_the_weights_of_padded_ones(
    models: dict[str, ModelFiles], tmp_path: Path, family: str
) -> None:
    import torch

    rows = some_rows()
    made = {
        name: tune(models[family], rows, settings, tmp_path / name, device="cpu")
        for name, settings in (("padded", SETTINGS), ("packed", changed(SETTINGS, packed=True)))
    }
    assert made["packed"].losses == pytest.approx(made["padded"].losses, rel=1e-5)
    padded, together = weights(tmp_path / "padded"), weights(tmp_path / "packed")
    for name, weight in padded.items():
        assert torch.allclose(together[name], weight, rtol=1e-3, atol=1e-5), name


def test_what_is_packed_sees_its_own_sequence_and_starts_at_zero() -> None:
    row = packed([TrainingRow((5, 6, 7), 1), TrainingRow((8, 9), 1)], "cpu")
    assert row.tokens.tolist() == [[5, 6, 7, 8, 9]]
    assert row.positions.tolist() == [[0, 1, 2, 0, 1]]
    assert row.targets.tolist() == [6, 7, 9]
    assert row.places.tolist() == [0, 1, 3]
    assert row.attended[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [0, 0, 0, 1, 0],
        [0, 0, 0, 1, 1],
    ]


def test_packs_hold_every_sequence_once_and_no_more_than_their_tokens() -> None:
    rows = some_rows(40)
    groups = packs(rows, 64)
    assert sorted(row.token_ids for group in groups for row in group) == sorted(
        row.token_ids for row in rows
    )
    sizes = [sum(len(row.token_ids) for row in group) for group in groups]
    assert max(sizes) <= 64
    assert len(groups) <= 1.2 * sum(sizes) / 64 + 1
    assert [len(one) for one in packs([TrainingRow(tuple(range(99)), 1)], 64)] == [1]


def test_a_head_that_is_more_than_a_matrix_cannot_be_packed(tmp_path: Path) -> None:
    files = tiny_model(
        tmp_path / "gemma2", "gemma2", head_dim=8, final_logit_softcapping=1.0, layers=1
    )
    with pytest.raises(ModelError, match=r"gemma2.*adapter\.packed to false"):
        tune(files, some_rows(), changed(SETTINGS, packed=True), tmp_path / "out", device="cpu")


@pytest.mark.parametrize("how", [{}, {"packed": True}])
def test_layers_computed_again_give_the_same_adapter(
    models: dict[str, ModelFiles], tmp_path: Path, how: dict[str, bool]
) -> None:
    settings = changed(SETTINGS, **how)
    for again in (False, True):
        out = tmp_path / str(again)
        tune(models["qwen2"], some_rows(), settings, out, device="cpu", checkpointing=again)
    for path in (tmp_path / "True").iterdir():
        assert path.read_bytes() == (tmp_path / "False" / path.name).read_bytes()


def test_layers_are_computed_again_where_it_is_asked(
    models: dict[str, ModelFiles], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert forwards(models["llama"], monkeypatch, tmp_path, True) == 2 * forwards(
        models["llama"], monkeypatch, tmp_path, False
    )


def forwards(
    files: ModelFiles, monkeypatch: pytest.MonkeyPatch, folder: Path, checkpointing: bool
) -> int:
    """How often a layer's feed-forward part is run in a step of one pass."""
    from transformers.models.llama.modeling_llama import LlamaMLP

    counted = [0]
    real = LlamaMLP.forward

    def counting(self: Any, x: Any) -> Any:
        counted[0] += 1
        return real(self, x)

    with monkeypatch.context() as patch:
        patch.setattr(LlamaMLP, "forward", counting)
        settings = changed(SETTINGS, steps=1, pass_tokens=9999)
        tune(files, some_rows(), settings, folder, device="cpu", checkpointing=checkpointing)
    return counted[0]


def test_the_adapter_of_a_bfloat16_base_is_trained_in_float32(
    models: dict[str, ModelFiles], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from resources.tuning import training

    seen: dict[bool, set[Any]] = {}
    real = training._adapted

    def watched(*arguments: Any) -> Any:
        adapted = real(*arguments)
        for weight in adapted.parameters():
            seen.setdefault(weight.requires_grad, set()).add(weight.dtype)
        return adapted

    monkeypatch.setattr(training, "_adapted", watched)
    files = models["qwen2"]
    half = ModelFiles(files.slug, files.source, None, "bfloat16", files.folder)
    settings = changed(SETTINGS, packed=True, steps=30)
    losses = tune(half, some_rows(3), settings, tmp_path, device="cpu", checkpointing=True).losses
    assert seen == {True: {torch.float32}, False: {torch.bfloat16}}
    assert {one.dtype for one in weights(tmp_path).values()} == {torch.float32}
    assert losses[-1] < losses[0] / 2


def test_the_folder_is_an_adapter_that_peft_loads_with_the_same_logits(
    models: dict[str, ModelFiles], tmp_path: Path
) -> None:
    import torch
    from peft import PeftModel

    from resources.engines.loading import attach_adapter

    files = models["llama"]
    tune(files, some_rows(), SETTINGS, tmp_path, device="cpu")
    tokens = torch.tensor([some_rows()[0].token_ids])
    with torch.inference_mode():
        ours = attach_adapter(load_base(files, "cpu", "sdpa"), tmp_path, files)(tokens).logits
        base = load_base(files, "cpu", "sdpa")
        plain = base(tokens).logits
        theirs = PeftModel.from_pretrained(base, str(tmp_path)).eval()(tokens).logits
    assert torch.equal(ours, theirs)
    assert not torch.allclose(ours, plain, atol=1e-3)


TUNER = """
import os, sys
from pathlib import Path
from mitt_assets.study import Adapter
from resources.engines.base import ModelFiles
from resources.engines.loading import load_base
from resources.shards import ShardStore
from resources.tuning import TrainingRow, training, tune
import peft

base, root, kills = Path(sys.argv[1]), Path(sys.argv[2]), [int(n) for n in sys.argv[3:]]
files = ModelFiles(base.name, "tests/base", None, "float32", base)
settings = Adapter(rank=2, alpha=4, learning_rate=0.02, steps=24, batch=4, warmup=0.5)
rows = [TrainingRow(tuple((7 * i + 3 * j) % 61 for j in range(6 + i)), 2 + i) for i in range(7)]
training.EVERY = 4
load_base(files, "cpu", "sdpa")

def run(out, shards, dies):
    process = os.fork()
    if process:
        return os.waitpid(process, 0)
    def progress(step, steps, losses):
        with open(root / "steps", "a") as file:
            file.write(f"{dies} {step}\\n")
        if step == dies:
            os.kill(os.getpid(), 9)
    tune(files, rows, settings, root / out, device="cpu", shards=shards, progress=progress)
    os._exit(0)

run("whole", None, 99)
for dies in (*kills, 0):
    run("killed", ShardStore(root, "0123456789abcdef"), dies)
"""


def test_a_training_killed_at_any_step_ends_with_the_same_bytes(
    models: dict[str, ModelFiles], tmp_path: Path
) -> None:
    """Killed with -9 before the first state is written, right behind one, and between two."""
    command = [sys.executable, "-c", TUNER, str(models["llama"].folder), str(tmp_path)]
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*command, "3", "8", "18", "23"], check=True, env=alone)
    whole, killed = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("whole", "killed")
    )
    assert len(whole) == 2
    assert killed == whole
    taken: dict[str, list[int]] = {}
    for line in (tmp_path / "steps").read_text().splitlines():
        run, step = line.split()
        taken.setdefault(run, []).append(int(step))
    # Each goes on from the last state, every fourth step; nothing before it is done again.
    assert {run: (steps[0], steps[-1]) for run, steps in taken.items()} == {
        "99": (1, 24),
        "3": (1, 3),
        "8": (1, 8),
        "18": (9, 18),
        "23": (17, 23),
        "0": (21, 24),
    }


SEVEN = Shape(
    layers=28,
    hidden=3584,
    heads=28,
    key_value_heads=4,
    head_size=128,
    intermediate=18944,
    vocabulary=152064,
    biased=True,
)


def row_of(length: int) -> TrainingRow:
    return TrainingRow((1,) * length, 1)


def test_a_plan_of_seven_billion_weights_holds_what_is_known() -> None:
    plan = plan_memory(SEVEN, "bfloat16", Adapter(), [row_of(10_000)], checkpointing=True)
    assert plan.weights == pytest.approx(2 * 7.6156e9, rel=1e-3)
    assert plan.adapter == 16 * 20_185_088  # PEFT's own count for rank 8 on all linear layers
    assert plan.tokens == 10_000
    assert plan.logits == 10_000 * 152_064 * 12
    small = plan_memory(
        SEVEN, "bfloat16", Adapter(packed=True), [row_of(10_000)], checkpointing=True
    )
    assert small.logits == 1024 * 152_064 * 12
    every = plan_memory(SEVEN, "bfloat16", Adapter(), [row_of(10_000)], checkpointing=False)
    assert every.activations > 15 * plan.activations


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("targets", ["all-linear", "qv"])
def test_what_a_layer_keeps_is_about_what_the_plan_says(
    tmp_path: Path, dtype: str, targets: str
) -> None:
    """Counted: every tensor that the gradient of a pass keeps, beside weights."""
    import torch

    from resources.tuning.training import _adapted

    files = tiny_model(tmp_path / "llama", "llama", layers=6, shared_heads=2)
    half = ModelFiles(files.slug, files.source, None, dtype, files.folder)
    settings = changed(SETTINGS, targets=targets)
    adapted = _adapted(half, settings, "cpu", False)
    own = {weight.untyped_storage().data_ptr() for weight in adapted.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    tokens = torch.arange(512)[None] % VOCABULARY
    decoder = adapted.get_base_model().get_decoder()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        hidden = decoder(input_ids=tokens, use_cache=False).last_hidden_state
    counted = sum(kept.values())
    assert hidden.requires_grad
    planned = 512 * 6 * tuning_memory.layer_bytes(shape_of(files.folder), dtype, settings)
    assert planned == pytest.approx(counted, rel=0.02)


REMEDIES = [
    (90e9, ()),
    (40e9, ("pass_tokens: 6000",)),
    (24e9, ("packed: true", "pass_tokens: 6000")),
    (20e9, ("sequences of at most 3,000",)),
    (10e9, ("smaller model",)),
]


@pytest.mark.parametrize(("free", "says"), REMEDIES)
def test_a_training_that_does_not_fit_is_refused_with_what_would(
    monkeypatch: pytest.MonkeyPatch, free: float, says: Sequence[str]
) -> None:
    monkeypatch.setattr(tuning_memory, "available", lambda device: int(free))
    rows, settings = [row_of(6000)] * 24, Adapter(pass_tokens=24_000)
    plan = plan_memory(SEVEN, "bfloat16", settings, rows, checkpointing=True)
    arguments = ("mitt/adapter[qwen]", plan, SEVEN, "bfloat16", settings, rows, "cuda")
    if not says:
        require_memory(*arguments)
        return
    with pytest.raises(ModelError) as caught:
        require_memory(*arguments)
    for words in ("mitt/adapter[qwen]", "GB", "free", *says):
        assert words in str(caught.value)


def test_nothing_of_the_settings_is_left_to_the_library(
    models: dict[str, ModelFiles], tmp_path: Path
) -> None:
    tune(models["qwen2"], some_rows(), SETTINGS, tmp_path, device="cpu")
    config = json.loads((tmp_path / "adapter_config.json").read_text(encoding="utf-8"))
    assert (config["r"], config["lora_alpha"], config["lora_dropout"]) == (2, 4, 0.0)
    assert (config["task_type"], config["bias"]) == ("CAUSAL_LM", "none")
