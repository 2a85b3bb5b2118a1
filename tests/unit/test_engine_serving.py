"""Models that cannot serve are refused before they are loaded, with what to do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mitt_assets.errors import ModelError
from resources import memory, weights
from resources.engines.base import ModelFiles
from resources.engines.loading import load_base
from resources.engines.serving import check_folder, check_memory, check_vocabulary, read_config
from resources.engines.tokenizer import ReasoningTokenizer
from tests.fakes.paper_models import ENTRIES, FAMILIES, PADDING_ROWS, paper_model


@pytest.fixture(scope="module", params=FAMILIES)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    return paper_model(tmp_path_factory.mktemp("models") / request.param, request.param)


@pytest.fixture
def copy(whole: ModelFiles, tmp_path: Path) -> ModelFiles:
    shutil.copytree(whole.folder, tmp_path / "copy")
    return replace(whole, folder=tmp_path / "copy")


def rewrite(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    raw = json.loads(file.read_text(encoding="utf-8"))
    change(raw)
    file.write_text(json.dumps(raw), encoding="utf-8")


def first_shard(model: ModelFiles) -> Path:
    return model.folder / weights.shards(model.folder)[0]


def test_a_whole_model_passes_every_check_and_its_weights_are_counted(whole: ModelFiles) -> None:
    check_folder(whole)
    check_memory(whole, "cpu")
    tokenizer = ReasoningTokenizer(whole.folder)
    assert tokenizer.vocabulary_size == ENTRIES
    check_vocabulary(whole, tokenizer.vocabulary_size)
    loaded = load_base(whole, "cpu", "sdpa")
    count = sum(one.numel() for one in loaded.parameters())
    assert weights.parameters(whole.folder) == count
    assert memory.parameters(memory.shape_of(whole.folder)) == count
    assert len(weights.shards(whole.folder)) == 2


def test_rows_without_tokens_are_the_models_own_affair(whole: ModelFiles) -> None:
    rows = read_config(whole).vocab_size
    assert rows == ENTRIES + PADDING_ROWS[str(read_config(whole).model_type)]
    tokenizer = ReasoningTokenizer(whole.folder)
    ids = [5, rows - 1, 6] if rows > ENTRIES else [5, 6]
    text, offsets = tokenizer.decode_with_offsets(ids)
    assert text == tokenizer.decode(ids) == tokenizer.decode([5, 6])
    assert len(offsets) == len(ids)


def test_a_tokenizer_larger_than_the_embedding_is_refused(whole: ModelFiles) -> None:
    rows = int(read_config(whole).vocab_size)
    check_vocabulary(whole, rows)
    with pytest.raises(ModelError, match=rf"{rows + 1:,} entries, but its embedding only {rows:,}"):
        check_vocabulary(whole, rows + 1)


@pytest.mark.parametrize("damage", ["gone", "cut", "cut in the header", "empty"])
def test_half_a_download_names_the_file(copy: ModelFiles, damage: str) -> None:
    shard = first_shard(copy)
    data = shard.read_bytes()
    if damage == "gone":
        shard.unlink()
    else:
        kept = {"cut": len(data) - 1, "cut in the header": 20, "empty": 0}[damage]
        shard.write_bytes(data[:kept])
    with pytest.raises(ModelError, match=rf"not all of it.*{shard.name} \(.*fetch the model"):
        load_base(copy, "cpu", "sdpa")


def test_an_index_that_is_cut_off_is_named(copy: ModelFiles) -> None:
    index = copy.folder / weights.INDEX
    index.write_bytes(index.read_bytes()[:50])
    with pytest.raises(ModelError, match=f"{weights.INDEX}: not an index"):
        check_folder(copy)


def test_weights_that_the_files_lack_are_not_drawn_at_random(copy: ModelFiles) -> None:
    def deeper(raw: dict[str, Any]) -> None:
        raw["num_hidden_layers"] = 3
        if "layer_types" in raw:
            raw["layer_types"] = ["full_attention"] * 3

    rewrite(copy.folder / "config.json", deeper)
    with pytest.raises(ModelError, match=r"do not hold model\.layers\.2\..*another model's"):
        load_base(copy, "cpu", "sdpa")


def test_weights_of_another_width_are_refused(copy: ModelFiles) -> None:
    rewrite(copy.folder / "config.json", lambda raw: raw.update(intermediate_size=96))
    with pytest.raises(ModelError, match=r"model .*(do not hold|cannot load)"):
        load_base(copy, "cpu", "sdpa")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"model_type": "t5", "architectures": ["T5ForConditionalGeneration"]}, "t5"),
        ({"model_type": "bert", "architectures": ["BertForMaskedLM"]}, "BertForMaskedLM.*no text"),
        ({"model_type": "vit", "architectures": ["ViTForImageClassification"]}, "vit"),
        ({"model_type": "qwen2", "architectures": ["Qwen2ForRewardModel"]}, "Qwen2ForRewardModel"),
        ({"model_type": "llama", "architectures": ["LlamaForSequenceClassification"]}, "no text"),
        ({"model_type": "m2m_100", "architectures": ["M2M100ForConditionalGeneration"]}, "m2m_100"),
        ({"model_type": "nobodys", "auto_map": {"AutoConfig": "x.Y"}}, "code .* never done"),
        ({"hidden_size": 4}, "Unrecognized"),
        ({"model_type": "llama", "hidden_size": "wide"}, "hidden_size"),
    ],
)
def test_a_model_of_another_family_is_refused(
    copy: ModelFiles, config: dict[str, Any], words: str
) -> None:
    (copy.folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ModelError, match=rf"decoder-only language model: .*{words}") as caught:
        load_base(copy, "cpu", "sdpa")
    assert "\n" not in str(caught.value)


def test_too_little_memory_says_how_much_is_needed_and_what_would_fit(
    whole: ModelFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = weights.parameters(whole.folder)
    monkeypatch.setattr(memory, "available", lambda device: 3 * count)
    with pytest.raises(ModelError) as caught:
        load_base(whole, "cpu", "sdpa")
    for words in (
        f"{count:,} weights need {memory.in_gb(4 * count)} in float32",
        f"cpu has {memory.in_gb(3 * count)} free",
        f"In bfloat16 they need {memory.in_gb(2 * count)}, which",
    ):
        assert words in str(caught.value)
    assert f"fits: set models.{whole.slug}.dtype" in str(caught.value)
    monkeypatch.setattr(memory, "available", lambda device: count)
    with pytest.raises(ModelError, match=r"at most 0\.00 billion weights.*tensor_parallel"):
        check_memory(replace(whole, dtype="bfloat16"), "cpu")
    monkeypatch.setattr(memory, "available", lambda device: None)
    check_memory(whole, "cpu")


def test_the_cpu_tells_its_memory() -> None:
    found = memory.available("cpu")
    assert found is not None
    assert 10**8 < found < 10**14


def test_the_papers_shapes_have_the_published_numbers_of_weights() -> None:
    from mitt_assets.study_file import load_study

    shapes = {slug: model.shape for slug, model in load_study("paper").models.items()}
    qwen, llama = shapes["qwen-7b"], shapes["llama-8b"]
    assert qwen is not None
    assert llama is not None
    assert memory.parameters(qwen) == 7_615_616_512
    assert memory.parameters(llama) == 8_030_261_248
    assert memory.cache_bytes(qwen, "bfloat16") == 57_344
    assert memory.cache_bytes(llama, "bfloat16") == 131_072


@pytest.mark.parametrize("targets", ["all-linear", "qv"])
def test_an_adapter_has_as_many_weights_as_planned(
    whole: ModelFiles, tmp_path: Path, targets: str
) -> None:
    from mitt_assets.study import Adapter
    from resources.tuning import TrainingRow, tune

    settings = Adapter.model_validate({"rank": 3, "targets": targets, "steps": 1, "batch": 1})
    made = tune(whole, [TrainingRow((1, 2, 3), 1)], settings, tmp_path, device="cpu")
    shape = memory.shape_of(whole.folder)
    assert made.parameters == memory.adapter_parameters(shape, 3, targets)


def test_a_folder_without_a_configuration_is_refused_in_words(whole: ModelFiles) -> None:
    gone = replace(whole, folder=whole.folder / "gone")
    with pytest.raises(ModelError, match=f"{whole.slug} .*cannot load .*gone as a decoder-only"):
        read_config(gone)
