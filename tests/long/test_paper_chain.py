"""The whole chain on models of the paper's architectures, with their tokenizers' traps."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import yaml

from mitt_assets.home import open_maker
from mitt_assets.materialise import Maker
from resources.engines.tokenizer import ReasoningTokenizer
from tests.commandline import mitt
from tests.fakes.paper_study import LANGUAGES, paper_study


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """A finished run of the paper-shaped study under the transformers engine."""
    folder = tmp_path_factory.mktemp("paper")
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump(paper_study(folder)), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MITT_HOME", str(folder / "home"))
        mitt("run", "--study", str(file), "--jobs", "2")
        return open_maker(str(file))


def table(maker: Maker, asset: str, partition: str | None = None) -> pl.DataFrame:
    return maker.store.table(maker.required(asset, partition))


def test_every_partition_is_made_and_none_is_refused(maker: Maker) -> None:
    for asset, partition in maker.graph.all_partitions:
        record = maker.required(asset, partition)
        assert maker.gate.refusal(record) is None, (asset, partition)


@pytest.mark.parametrize("model", ["qwen", "llama"])
def test_prompts_open_the_thought_once_and_text_is_what_the_tokens_say(
    maker: Maker, model: str
) -> None:
    tokenizer = ReasoningTokenizer(Path(maker.graph.study.models[model].source))
    questions = table(maker, "translations", "vi")
    by_id = dict(questions.select("translation_id", "question").iter_rows())
    for row in table(maker, "base/traces", f"vi|{model}").iter_rows(named=True):
        question = by_id[row["translation_id"]]
        prompt = tokenizer.prompt(question, LANGUAGES["vi"]["instruction"])
        assert len(prompt) == row["prompt_tokens"]
        assert prompt.count(tokenizer.think_open) == 1
        assert question in tokenizer.decode(prompt)
        assert row["text"] == tokenizer.decode(row["token_ids"])
    finished = table(maker, "base/traces", f"en|{model}")["finish_reason"].to_list()
    assert set(finished) <= {"stop", "budget", "answer_length"}


@pytest.mark.parametrize("model", ["qwen", "llama"])
def test_training_rows_are_prompt_and_first_thoughts_with_whole_traces_between(
    maker: Maker, model: str
) -> None:
    tokenizer = ReasoningTokenizer(Path(maker.graph.study.models[model].source))
    rows = table(maker, "mitt/training_set", model)
    assert set(rows["prompt_language"]) == {"en", "vi"}
    for row in rows.iter_rows(named=True):
        ids, start = row["token_ids"], row["loss_start"]
        assert ids[:start].count(tokenizer.think_open) == 1
        assert ids.count(tokenizer.encode("<｜begin▁of▁sentence｜>")[0]) == 1
        assert (tokenizer.think_close in ids) == row["whole"]
        assert row["whole"] or len(ids) - start <= 31
        assert not row["whole"] or ids[-1] == tokenizer.eos
    assert rows["whole"].any()
