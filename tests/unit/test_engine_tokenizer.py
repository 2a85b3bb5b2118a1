"""The tokenizer: prompts with one opening, and offsets that never split a letter."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mitt_assets.errors import DataError, ModelError
from resources.engines.tokenizer import ReasoningTokenizer
from tests.fakes.paper_models import FAMILIES, paper_tokenizer

BOS, EOS = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"
PLAIN = "{{ bos_token }}Q: {{ messages[0]['content'] }} A: "
VIETNAMESE = "Vào thứ Hai, Anna mua 7 quả táo, nên bây giờ có 12 + 7 = 19. Những người bạn ở Huế."


def saved(
    folder: Path, *, template: str | None = PLAIN, tags: bool = True, bos: bool = True
) -> Path:
    """A byte-level BPE with few merges, so that most Vietnamese letters are several tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=275,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=[BOS, EOS],
        show_progress=False,
    )
    bpe.train_from_iterator([VIETNAMESE] * 3, trainer)
    if tags:
        bpe.add_tokens(["<think>", "</think>"])
    names: dict[str, Any] = {"eos_token": EOS} | ({"bos_token": BOS} if bos else {})
    PreTrainedTokenizerFast(tokenizer_object=bpe, chat_template=template, **names).save_pretrained(
        folder
    )
    return folder


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> ReasoningTokenizer:
    return ReasoningTokenizer(saved(tmp_path_factory.mktemp("tokenizer")))


@given(data=st.data())
@settings(max_examples=150)
def test_any_tokens_decode_to_the_librarys_text_with_rising_offsets(
    tokenizer: ReasoningTokenizer, data: st.DataObject
) -> None:
    ids = data.draw(st.lists(st.integers(0, tokenizer.vocabulary_size - 1), max_size=20))
    text, offsets = tokenizer.decode_with_offsets(ids)
    assert text == tokenizer.decode(ids)
    assert len(offsets) == len(ids)
    assert offsets == sorted(offsets)
    assert all(0 <= offset <= len(text) for offset in offsets)


@given(text=st.text(max_size=40))
@settings(max_examples=100)
def test_each_token_starts_at_the_letter_that_holds_its_first_byte(
    tokenizer: ReasoningTokenizer, text: str
) -> None:
    ids = tokenizer.encode(text)
    decoded, offsets = tokenizer.decode_with_offsets(ids)
    assert decoded == text
    letter_of_byte = [i for i, letter in enumerate(text) for _ in letter.encode()]
    starts, at = [], 0
    for token in ids:
        starts.append(letter_of_byte[at])
        at += len(tokenizer._bytes_of(token))
    assert offsets == starts


def test_windows_of_vietnamese_join_to_the_text_and_halve_no_letter(
    tokenizer: ReasoningTokenizer,
) -> None:
    ids = tokenizer.encode(VIETNAMESE)
    text, offsets = tokenizer.decode_with_offsets(ids)
    assert "\ufffd" in "".join(tokenizer.decode(ids[i : i + 3]) for i in range(0, len(ids), 3))
    cuts = [*offsets[::3], len(text)]
    windows = [text[a:b] for a, b in zip(cuts, cuts[1:], strict=False)]
    assert "".join(windows) == VIETNAMESE


def test_a_letter_broken_off_is_one_replacement_of_its_own(tokenizer: ReasoningTokenizer) -> None:
    first_byte = tokenizer.encode("ệ")[0]
    ids = [*tokenizer.encode("a"), first_byte, *tokenizer.encode("b")]
    assert tokenizer.decode_with_offsets(ids) == ("a\ufffdb", [0, 1, 2])


@pytest.mark.parametrize("ending", ["", "<think>", "<think>\n", "<think>\n\n"])
def test_the_thought_is_opened_exactly_once(tmp_path: Path, ending: str) -> None:
    tokenizer = ReasoningTokenizer(saved(tmp_path, template=PLAIN.replace(" A: ", f" A:{ending}")))
    assert tokenizer.render("2+2?", "Sii breve.") == f"{BOS}Q: 2+2?\nSii breve. A:<think>\n"
    ids = tokenizer.prompt("2+2?", "Sii breve.")
    assert ids.count(tokenizer.think_open) == 1
    assert ids.count(ids[0]) == 1


def test_a_question_without_instruction_stands_alone(tokenizer: ReasoningTokenizer) -> None:
    assert tokenizer.render("2+2?", "") == f"{BOS}Q: 2+2? A: <think>\n"


def test_bos_stands_once_whether_the_template_writes_it_twice_or_there_is_none(
    tmp_path: Path,
) -> None:
    twice = ReasoningTokenizer(saved(tmp_path / "twice", template="{{ bos_token }}" + PLAIN))
    bos = twice.encode(BOS)[0]
    assert twice.prompt("a", "").count(bos) == 1
    without = saved(tmp_path / "none", template=PLAIN[len("{{ bos_token }}") :], bos=False)
    assert ReasoningTokenizer(without).prompt("a", "")[0] != bos


def test_encoding_adds_nothing_and_tokens_are_found_by_their_text(
    tokenizer: ReasoningTokenizer,
) -> None:
    assert tokenizer.decode(tokenizer.encode("7 quả táo</think>")) == "7 quả táo</think>"
    assert tokenizer.encode("</think>") == [tokenizer.think_close]
    braces = tokenizer.tokens_with("}")
    assert braces and all("}" in tokenizer.decode([token]) for token in braces)
    assert tokenizer.decode([tokenizer.eos]) == EOS


def test_a_tokenizer_without_think_tags_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no single-token <think>/</think>.*Choose a model"):
        ReasoningTokenizer(saved(tmp_path, tags=False))


def test_a_tokenizer_without_template_or_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no chat template"):
        ReasoningTokenizer(saved(tmp_path, template=None))
    with pytest.raises(ModelError, match=r"no tokenizer\.json"):
        ReasoningTokenizer(tmp_path / "nowhere")


def test_a_template_that_cannot_render_or_a_file_cut_off_is_refused(tmp_path: Path) -> None:
    broken = saved(
        tmp_path / "broken", template="{{ messages[0]['content'] }}{{ raise_exception('no') }}"
    )
    with pytest.raises(ModelError, match=r"chat template of broken: no\. .*mend chat_template"):
        ReasoningTokenizer(broken).prompt("a", "")
    cut = saved(tmp_path / "cut") / "tokenizer.json"
    cut.write_bytes(cut.read_bytes()[:200])
    with pytest.raises(
        ModelError, match=r"tokenizer in .*cut cannot be read .*fetch tokenizer\.json"
    ):
        ReasoningTokenizer(tmp_path / "cut")


@pytest.fixture(scope="module", params=FAMILIES)
def paper(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tokenizer of the paper's Qwen2 or Llama, with the traps of its files."""
    return paper_tokenizer(tmp_path_factory.mktemp("paper") / request.param, request.param)


QUESTION = f"What is 123 + 45?\nNgười ta hỏi: {VIETNAMESE}"


class TestThePapersTokenizers:
    def test_text_is_cut_as_the_models_own_file_says(self, paper: Path) -> None:
        """Labelled as a Llama tokenizer, a byte-level one loses its spaces in AutoTokenizer."""
        from tokenizers import Tokenizer

        as_published = Tokenizer.from_file(str(paper / "tokenizer.json"))
        ours = ReasoningTokenizer(paper)
        ids = ours.encode(QUESTION)
        assert ids == as_published.encode(QUESTION, add_special_tokens=False).ids
        assert ours.decode(ids) == QUESTION
        assert ours.decode_with_offsets(ids)[0] == QUESTION

    def test_the_thought_is_opened_once_and_bos_stands_once(self, paper: Path) -> None:
        tokenizer = ReasoningTokenizer(paper)
        ids = tokenizer.prompt(QUESTION, "Reason.")
        bos = tokenizer.encode(BOS)[0]
        assert ids.count(bos) == 1
        assert ids[0] == bos
        assert ids.count(tokenizer.think_open) == 1
        assert tokenizer.think_close not in ids
        rendered = tokenizer.decode(ids)
        assert rendered == f"{BOS}<｜User｜>{QUESTION}\nReason.<｜Assistant｜><think>\n"
        assert tokenizer.encode(rendered) == ids

    @pytest.mark.parametrize("tag", ["<think>", "</think>", BOS, EOS, "<｜User｜>"])
    def test_a_question_that_holds_a_control_token_is_refused(self, paper: Path, tag: str) -> None:
        with pytest.raises(DataError, match=f"a question holds '{re.escape(tag)}'.*Mend its row"):
            ReasoningTokenizer(paper).prompt(f"What is 2 {tag} 3?", "Reason.")

    def test_training_rows_keep_the_reasoning_that_the_template_would_take_out(
        self, paper: Path
    ) -> None:
        tokenizer = ReasoningTokenizer(paper)
        thought, answer = "So 123 + 45 = 168.\n", "\n\n\\boxed{168}"
        turn = {"role": "assistant", "content": f"<think>\n{thought}</think>{answer}"}
        rendered = str(tokenizer._library.apply_chat_template([turn], tokenize=False))
        assert thought not in rendered, "the trap is there"
        rows = training_rows(tokenizer, thought, answer)
        prompt = tokenizer.render("Q?", "")
        whole = f"{prompt}{thought}</think>{answer}{EOS}"
        assert [tokenizer.decode(ids) for ids in rows] == [f"{prompt}So 123", whole]
        for ids in rows:
            assert ids.count(tokenizer.think_open) == 1
            assert ids.count(tokenizer.encode(BOS)[0]) == 1


def training_rows(tokenizer: ReasoningTokenizer, thought: str, answer: str) -> list[list[int]]:
    """The training set of one trace: its first tokens, and the whole of it."""
    import polars as pl

    from mitt_assets.method.recipes import Questions, build_training_set
    from mitt_assets.study import Recipe
    from mitt_assets.tables import TRACES, TRANSLATIONS

    ids = [*tokenizer.encode(thought), tokenizer.think_close, *tokenizer.encode(answer)]
    kept = len(tokenizer.encode("So 123"))
    trace = {
        **dict.fromkeys(TRACES.names, ""),
        **{"trace_id": "t", "translation_id": "q", "problem_id": "p", "language": "en"},
        **{"sample": 0, "seed": 0, "prompt_tokens": 3, "think_ends": [], "offsets": []},
        **{"token_ids": ids, "think_tokens": len(tokenizer.encode(thought)), "prefix_tokens": 0},
        "finish_reason": "stop",
    }
    question = {**dict.fromkeys(TRANSLATIONS.names, ""), "translation_id": "q", "problem_id": "p"}
    frame = build_training_set(
        {"en": pl.DataFrame([trace], schema=TRACES.schema())},
        Questions(
            translations={"en": pl.DataFrame([question], schema=TRANSLATIONS.schema())},
            prompts={"q": tokenizer.prompt("Q?", "")},
            duplicate_keys={"p": "key"},
            evaluation_keys=set(),
        ),
        Recipe.model_validate({"cut": {"tokens": kept}, "whole_share": 0.5}),
        tokenizer.eos,
    )
    return [list(row["token_ids"]) for row in frame.sort("whole").iter_rows(named=True)]
