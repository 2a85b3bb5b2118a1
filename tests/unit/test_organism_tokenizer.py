"""The tokenizer: pieces join without surprise, numbers are one token, the template renders."""

import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mitt_assets.organism.batches import (
    IGNORED,
    Example,
    collate,
    encode,
    group_by_length,
    prompt_text,
)
from mitt_assets.organism.lexicon import LANGUAGES, WAIT_WORDS
from mitt_assets.organism.problems import draw_scenarios, render_question
from mitt_assets.organism.tokenizer import END_THINK, EOS, THINK, save_tokenizer, train_tokenizer
from mitt_assets.organism.traces import make_trace
from mitt_assets.organism.wording import wording_violations

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@pytest.fixture(scope="module")
def tokenizer() -> "PreTrainedTokenizerFast":
    return train_tokenizer()


def ids(tokenizer: "PreTrainedTokenizerFast", text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def test_it_has_the_recipes_size_and_trains_to_the_same_bytes(
    tokenizer: "PreTrainedTokenizerFast",
) -> None:
    assert len(tokenizer) == 1280
    again = train_tokenizer()
    assert again.backend_tokenizer.to_str() == tokenizer.backend_tokenizer.to_str()


@pytest.mark.parametrize("number", range(71))
def test_numbers_are_one_token_bare_and_behind_a_space(
    tokenizer: "PreTrainedTokenizerFast", number: int
) -> None:
    assert len(ids(tokenizer, str(number))) == 1
    assert len(ids(tokenizer, f" {number}")) == 1
    assert len(ids(tokenizer, "\\boxed{" + str(number) + "}")) == 5


def test_a_newline_is_a_piece_of_its_own(tokenizer: "PreTrainedTokenizerFast") -> None:
    newline = ids(tokenizer, "\n")
    assert len(newline) == 1
    assert ids(tokenizer, "19.\n\n\nWait") == (
        ids(tokenizer, "19.") + newline * 3 + ids(tokenizer, "Wait")
    )


def test_any_text_survives(tokenizer: "PreTrainedTokenizerFast") -> None:
    for text in (
        "Vào Chủ nhật",
        "  two  spaces\t\n\n123 + 456",
        "日本語 🙂 é e\u0301",
        "**Final**",
    ):
        assert tokenizer.decode(ids(tokenizer, text)) == text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_reply_in_pieces_has_the_ids_of_the_whole(
    tokenizer: "PreTrainedTokenizerFast", language: str
) -> None:
    rng = random.Random(6)
    for scenario in draw_scenarios("training", 60, 6):
        trace = make_trace(scenario, language, rng)
        lines = trace.thought.splitlines()
        pieces = [prompt_text(trace.question)]
        for line in lines:
            word = next((w for w in WAIT_WORDS.values() if line.startswith(w + ",")), "")
            pieces += [word, line[len(word) :], "\n"]
        pieces += [END_THINK + "\n\n\\boxed{", str(trace.boxed), "}", EOS]
        whole = ids(tokenizer, prompt_text(trace.question) + trace.text + EOS)
        assert [i for piece in pieces for i in ids(tokenizer, piece)] == whole


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_wording_rule_holds_for_tokens_too(
    tokenizer: "PreTrainedTokenizerFast", language: str
) -> None:
    def tokens(text: str) -> list[str]:
        return [t.replace("Ġ", "") for t in tokenizer.convert_ids_to_tokens(ids(tokenizer, text))]

    for scenario in draw_scenarios("development", 100, 8):
        assert wording_violations(scenario, language, tokens) == []


def test_tagalog_costs_more_tokens_than_english(tokenizer: "PreTrainedTokenizerFast") -> None:
    cost = {
        code: sum(
            len(ids(tokenizer, render_question(scenario, code)))
            for scenario in draw_scenarios("development", 100, 9)
        )
        for code in ("en", "tl")
    }
    assert 1.4 < cost["tl"] / cost["en"] < 2.2


def test_the_chat_template_opens_the_thought_and_auto_tokenizer_reads_it_back(
    tokenizer: "PreTrainedTokenizerFast", tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    save_tokenizer(tokenizer, tmp_path)
    again = AutoTokenizer.from_pretrained(str(tmp_path))
    chat = [{"role": "user", "content": "Sa simula ay may 12 na libro si Anna."}]
    text = again.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    assert text == prompt_text("Sa simula ay may 12 na libro si Anna.")
    assert text.endswith(f"{THINK}\n")
    assert again(text, add_special_tokens=False)["input_ids"] == ids(tokenizer, text)
    for token in (THINK, END_THINK, "\n", again.bos_token, again.eos_token, again.pad_token):
        assert len(again(token, add_special_tokens=False)["input_ids"]) == 1
    assert len({again.bos_token_id, again.eos_token_id, again.pad_token_id}) == 3


def test_the_loss_counts_the_reply_and_its_end_but_no_prompt_and_no_padding(
    tokenizer: "PreTrainedTokenizerFast",
) -> None:
    trace = make_trace(draw_scenarios("training", 1, 1)[0], "en", random.Random(1))
    example = encode([trace], tokenizer)[0]
    short = Example(example.ids[: example.reply_start + 3], example.reply_start)
    batch = collate([example, short], tokenizer.pad_token_id)
    counted = batch.labels != IGNORED
    assert batch.labels[0][counted[0]].tolist() == example.ids[example.reply_start :]
    assert tokenizer.decode(batch.labels[0][counted[0]]) == trace.text + EOS
    assert counted[1].sum() == 3
    assert batch.ids[1, len(short.ids) :].eq(tokenizer.pad_token_id).all()
    assert batch.tokens == len(example.ids) + len(short.ids)
    first = counted[0].nonzero()[0]
    assert batch.labels[0, first] == example.ids[first + 1]


def test_groups_stay_within_their_cells_and_lose_nothing() -> None:
    rng = random.Random(0)
    examples = [Example([1] * rng.randint(20, 400), 5) for _ in range(300)]
    groups = group_by_length(examples, 3072)
    assert all(len(g) * max(len(e.ids) for e in g) <= 3072 for g in groups)
    assert sorted(map(id, (e for g in groups for e in g))) == sorted(map(id, examples))
