"""The parts of the trainer: schedule, optimiser, sampling, records, the shipped folders."""

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from mitt_assets.organism import SLUGS, checkpoint_path, encoder_path
from mitt_assets.organism.batches import prompt_text
from mitt_assets.organism.evaluate import boxed
from mitt_assets.organism.lexicon import LANGUAGES
from mitt_assets.organism.models import new_model
from mitt_assets.organism.optimiser import Optimiser, orthogonalised, rate_at
from mitt_assets.organism.problems import draw_scenarios
from mitt_assets.organism.recipe import recipe
from mitt_assets.organism.sampling import Sampler, forced_replies
from mitt_assets.organism.tokenizer import END_THINK, EOS, train_tokenizer
from mitt_assets.organism.traces import make_trace
from mitt_assets.organism.train import ingredients

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@pytest.fixture(scope="module")
def tokenizer() -> "PreTrainedTokenizerFast":
    return train_tokenizer()


def test_the_rate_warms_up_stays_flat_and_falls_to_two_per_cent() -> None:
    assert rate_at(0, 0.0) == pytest.approx(1 / 40)
    assert rate_at(39, 0.01) == rate_at(500, 0.4) == 1.0
    assert rate_at(900, 0.7) == pytest.approx(0.51)
    assert rate_at(1700, 1.0) == pytest.approx(0.02)


@pytest.mark.parametrize("shape", [(3, 40, 20), (2, 20, 40)])
def test_newton_schulz_brings_singular_values_near_one(shape: tuple[int, ...]) -> None:
    import torch

    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalised(torch.randn(*shape)))
    assert values.min() > 0.5 and values.max() < 1.3


def test_a_step_moves_every_parameter_and_clears_the_gradients(
    tokenizer: "PreTrainedTokenizerFast",
) -> None:
    import torch

    model = new_model("qwen", tokenizer, 0)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimiser = Optimiser(model)
    ids = torch.randint(0, 1280, (2, 12))
    for _ in range(2):  # biases of keys get no gradient that outlives rounding in one step
        model(input_ids=ids, labels=ids).loss.backward()
        optimiser.step(1.0)
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert moved == set(before)
    assert all(p.grad is None for p in model.parameters())


def test_an_unknown_shape_or_slug_is_named(tokenizer: "PreTrainedTokenizerFast") -> None:
    with pytest.raises(ValueError, match="unknown shape 'gpt'"):
        new_model("gpt", tokenizer, 0)
    with pytest.raises(KeyError, match="mistral"):
        checkpoint_path("mistral")
    with pytest.raises(KeyError, match="mistral"):
        recipe().training("mistral")


def test_the_last_box_is_read() -> None:
    assert boxed("a \\boxed{3} b \\boxed{19}") == 19
    assert boxed("19") is None


def test_padding_does_not_change_a_greedy_reply(tokenizer: "PreTrainedTokenizerFast") -> None:
    model = new_model("llama", tokenizer, 3).eval()
    sampler = Sampler(model, tokenizer, 1.0, 1e-6, 12)
    starts = [[7, 8, 9], list(range(40, 60))]
    together = sampler.complete(starts, EOS, 0)
    assert together == [sampler.complete([start], EOS, 0)[0] for start in starts]
    assert [len(ids) for ids in together] == [15, 32]


def test_a_forced_wait_replaces_the_end_of_thought(
    tokenizer: "PreTrainedTokenizerFast", monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def complete(self: Sampler, starts: list[list[int]], stop: str, seed: int) -> list[list[int]]:
        seen.extend(tokenizer.decode(start) for start in starts)
        return [[*start, 1] for start in starts]

    monkeypatch.setattr(Sampler, "complete", complete)
    sampler = Sampler(new_model("llama", tokenizer, 3), tokenizer, 1.0, 1.0, 4)
    ended = tokenizer(f"So 19.\n{END_THINK}\n\n\\boxed{{19}}{EOS}")["input_ids"]
    endless = tokenizer("So 19. So 19.")["input_ids"]
    forced = forced_replies(sampler, [ended, endless], ["Wait", "Sandali"], 0)
    assert seen == ["So 19.\nWait"]
    assert forced[0][-1] == 1 and forced[1] == endless


@pytest.mark.parametrize("slug", SLUGS)
def test_a_shipped_reasoner_is_small_and_its_record_agrees_with_the_recipe(
    tokenizer: "PreTrainedTokenizerFast", slug: str
) -> None:
    folder = checkpoint_path(slug)
    record = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    planned = recipe().training(slug)
    assert (folder / "model.safetensors").stat().st_size < 4_000_000
    assert (record["slug"], record["shape"]) == (slug, planned["shape"])
    assert record["seed"] == recipe().seed
    assert record["budget_tokens"] == planned["budget_tokens"] <= record["tokens_seen"]
    assert record["ingredients"] == ingredients(), "the corpus changed after this training"
    assert record["development"]["split"] == "development"
    assert set(record["development"]["languages"]) == set(LANGUAGES)


@pytest.mark.parametrize("slug", SLUGS)
def test_a_shipped_tokenizer_is_the_one_that_is_trained_here(
    tokenizer: "PreTrainedTokenizerFast", slug: str
) -> None:
    from transformers import AutoTokenizer

    shipped = AutoTokenizer.from_pretrained(str(checkpoint_path(slug)))
    assert len(shipped) == recipe().tokenizer["vocabulary"]
    rng = random.Random(0)
    for scenario in draw_scenarios("training", 20, 0):
        trace = make_trace(scenario, rng.choice(LANGUAGES), rng)
        text = prompt_text(trace.question) + trace.text + EOS
        assert shipped(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert shipped.chat_template == tokenizer.chat_template


def test_the_shipped_encoder_is_small_and_shares_the_tokenizer(
    tokenizer: "PreTrainedTokenizerFast",
) -> None:
    record = json.loads((encoder_path() / "encoder.json").read_text(encoding="utf-8"))
    assert (encoder_path() / "model.safetensors").stat().st_size < 1_000_000
    assert min(record["retrieval_to_english"]["questions"].values()) > 0.98
    assert json.loads((encoder_path() / "tokenizer.json").read_text(encoding="utf-8")) == (
        json.loads(tokenizer.backend_tokenizer.to_str())
    )
    assert record["dimensions"] == 128


def test_every_training_tried_is_listed_and_there_are_at_most_six() -> None:
    folder = encoder_path().parent
    tried = json.loads((folder / "TRAININGS.json").read_text(encoding="utf-8"))
    assert {row["slug"] for row in tried["reasoners"]} >= set(SLUGS)
    assert len(tried["reasoners"]) <= 6
    for row in tried["reasoners"]:
        assert row["budget_tokens"] == recipe().training(row["slug"])["budget_tokens"]
