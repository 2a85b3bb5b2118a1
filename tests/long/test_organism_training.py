"""A miniature training from nothing: the loss falls, the folder loads, nothing is overwritten."""

import json
import math
from pathlib import Path

import pytest
from click.testing import CliRunner

from mitt_assets.organism.cli import organism
from mitt_assets.organism.encoder import train_encoder
from mitt_assets.organism.lexicon import LANGUAGES
from mitt_assets.organism.train import ingredients, train_reasoner

BUDGET = 100_000  # some twenty seconds on an idle core; the warm-up alone takes 40 steps


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[int, int, float]]]:
    out = tmp_path_factory.mktemp("organism") / "qwen"
    steps: list[tuple[int, int, float]] = []
    train_reasoner("qwen", out, budget_tokens=BUDGET, progress=lambda *step: steps.append(step))
    return out, steps


def test_the_loss_falls_from_chance_and_progress_counts_tokens(
    trained: tuple[Path, list[tuple[int, int, float]]],
) -> None:
    losses = [loss for _, _, loss in trained[1]]
    assert losses[0] == pytest.approx(math.log(1280), abs=0.3)
    assert sum(losses[-5:]) / 5 < 0.75 * losses[0]
    assert [total for _, total, _ in trained[1]] == [BUDGET] * len(losses)
    seen = [seen for seen, _, _ in trained[1]]
    assert seen == sorted(seen) and seen[-1] == BUDGET


def test_the_folder_is_a_plain_checkpoint_with_its_record(
    trained: tuple[Path, list[tuple[int, int, float]]],
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    out, steps = trained
    model = AutoModelForCausalLM.from_pretrained(str(out))
    assert type(model).__name__ == "Qwen2ForCausalLM"
    assert model.dtype == torch.float32
    assert 850_000 < model.num_parameters() < 1_000_000
    tokenizer = AutoTokenizer.from_pretrained(str(out))
    assert model.config.eos_token_id == tokenizer.eos_token_id
    assert len(tokenizer) == model.config.vocab_size
    assert len(tokenizer(" 12 + 7 = 19.\n")["input_ids"]) == 7, "numbers must stay whole"
    assert (out / "model.safetensors").stat().st_size < 4_000_000
    record = json.loads((out / "training.json").read_text(encoding="utf-8"))
    assert record["tokens_seen"] >= record["budget_tokens"] == BUDGET
    assert record["steps"] == len(steps)
    assert record["seed"] == 7
    assert record["ingredients"] == ingredients()
    assert record["put_in"]["question_share"]["tl"] == 0.06


def test_evaluation_reads_every_language_and_can_be_recorded(
    trained: tuple[Path, list[tuple[int, int, float]]],
) -> None:
    arguments = ["evaluate", "--folder", str(trained[0]), "--problems", "1", "--record"]
    result = CliRunner().invoke(organism, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    record = json.loads((trained[0] / "training.json").read_text(encoding="utf-8"))
    assert record["development"]["split"] == "development"
    assert set(record["development"]["languages"]) == set(LANGUAGES)


def test_a_used_folder_is_refused_before_any_work(
    trained: tuple[Path, list[tuple[int, int, float]]],
) -> None:
    with pytest.raises(FileExistsError, match="never overwrite"):
        train_reasoner("llama", trained[0])
    result = CliRunner().invoke(organism, ["train", "--slug", "llama", "--out", str(trained[0])])
    assert result.exit_code == 1
    assert "not empty" in result.output


def test_a_small_encoder_finds_the_english_sentence(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    record = train_encoder(tmp_path / "encoder", pairs=3000)
    assert min(record["retrieval_to_english"]["questions"].values()) > 0.9
    encoder = SentenceTransformer(str(tmp_path / "encoder"), device="cpu")
    vectors = encoder.encode(
        [
            "On Monday Anna buys 7, so now there are 12 + 7 = 19.",
            "Bumili si Anna noong Lunes ng 7, kaya ngayon ay 12 + 7 = 19.",
            "Vào Chủ nhật, Minh bán 3 cái, tức là 40 - 3 = 37.",
        ],
        normalize_embeddings=True,
    )
    assert vectors.shape == (3, 128)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2
