"""The plan: what it counts, by hand; what it says when something is unknown or does not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mitt_assets.costs.amounts import (
    Stage,
    probes_per_trace,
    questions_to_translate,
    stages,
    traces_of,
    translation_stages,
)
from mitt_assets.costs.plan import Terms, plan
from mitt_assets.errors import ModelError, StudyError
from mitt_assets.method.probing import ProbeForm, plan_branches
from mitt_assets.study import Study
from mitt_assets.study_file import load_study
from tests.commandline import mitt
from tests.fakes.hub import fake_hub, use_hub

PROBLEMS = {"evaluation": 3, "training": 4}
LANGUAGE = {"name": "x", "level": "high", "wait": "Wait"}
RECIPE = {"source_languages": ["en"], "prompt_languages": ["en", "tl"]}


def study(**changes: Any) -> Study:
    """Two languages, two models, base and one recipe."""
    return Study.model_validate(
        {
            "name": "small",
            "languages": {"en": LANGUAGE, "tl": LANGUAGE},
            "models": {
                "one": {"source": "organism:llama"},
                "two": {"source": "organism:qwen"},
            },
            "problems": {"evaluation": {"count": 3}, "training": {"count": 4}},
            "generation": {"samples": 5, "budget": 100, "answer_tokens": 10, "waits": 1},
            "probes": {"stride": 32, "tokens": 7, "opening": "", "suffix": "abc"},
            "windows": {"tokens": 32, "segments": 4, "rolling": 1},
            "variants": {"base": {}, "mitt": {"recipe": RECIPE}},
            **changes,
        }
    )


def by_name(chosen: Study, **more: Any) -> dict[str, Any]:
    found = stages(chosen, PROBLEMS, prompt_tokens=20, suffix_tokens=3, **more)
    return {stage.name: stage for stage in found}


def test_requests_and_tokens_by_hand() -> None:
    # 3 problems x 5 samples x 2 models x 2 languages x 2 variants; 4 training problems x 2 models.
    assert traces_of(study(), PROBLEMS) == (120, 8)
    found = by_name(study())
    traces, probes = found["traces"], found["probes"]
    assert (traces.partitions, traces.requests) == (8, 120)
    assert traces.generated == 120 * (100 + 1 + 10)
    assert traces.read == 120 * (3 * 20 + 2 * 100), "prompt; prompt and thought, twice more"
    # Checkpoints at 32, 64 and 96; two ends of thinking; the terminal reading.
    assert probes.requests == 120 * (3 + 2 + 1)
    assert probes.generated == probes.requests * 7
    assert probes.read == 120 * (20 + 100) + probes.requests * 3
    assert found["training traces"].requests == 8
    adapters = found["adapters"]
    assert (adapters.partitions, adapters.requests, adapters.generated) == (2, 2 * 60 * 24, 0)
    assert adapters.read == 2 * (144 * (20 + 111) + 1296 * (20 + 31))


def test_no_trace_is_read_more_often_than_planned() -> None:
    form = ProbeForm(32, (), (1,))
    for length in (1, 31, 32, 100):
        for ends in ((), (length // 2,)):
            read = plan_branches(
                think_tokens=length,
                think_ends=ends,
                ended=True,
                own=False,
                form=form,
                ends_line=lambda position: False,
            )
            assert len(read) <= probes_per_trace(study(), length)
    assert len(read) == probes_per_trace(study(), 100)


def test_a_share_of_the_budget_scales_what_depends_on_it() -> None:
    half = by_name(study(), mean_share=0.5)
    assert half["traces"].generated == 120 * (50 + 1 + 10)
    assert half["probes"].requests == 120 * (1 + 2 + 1)


def test_a_study_without_recipes_trains_nothing() -> None:
    assert set(by_name(study(variants={"base": {}}))) == {"traces", "probes"}


SEQ2SEQ = {"method": "seq2seq", "source": "a/translator", "beams": 3, "attempts": 2}


def test_what_a_machine_translates_is_put_back_once() -> None:
    brought = {"evaluation": ("en", "tl"), "training": ("en",)}
    questions = questions_to_translate(study(), PROBLEMS, brought)
    assert questions == {"tl": 4}
    there, back = translation_stages(study(translation=SEQ2SEQ), questions, 20)
    assert there == Stage("translations", 1, 2 * 4, 2 * 4 * 3 * 20, 2 * 4 * 20)
    assert back == Stage("back-translations", 1, 4, 4 * 3 * 20, 4 * 20)
    chat = {"method": "chat", "source": "a/chat", "tokens": 300, "prompt": "{target}: {text}"}
    (_, back) = translation_stages(study(translation=chat), questions, 20)
    assert back == Stage("back-translations", 1, 4, 4 * 300, 4 * (20 + 16))
    assert translation_stages(study(translation=SEQ2SEQ), {}, 20) == []


def test_what_the_set_or_a_person_translates_is_not_put_back(tmp_path: Path) -> None:
    file = tmp_path / "own.jsonl"
    assert translation_stages(study(translation={"file": str(file)}), {"tl": 4}, 20) == []
    columns = {"languages": ["en"]}
    rows = [{"question_en": f"What is {n} + 1?", "answer": n + 1} for n in range(3)]
    problems = tmp_path / "problems.jsonl"
    problems.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    settings = {"source": str(problems), "columns": columns}
    traces = 3 * 5 * 2 * 2 * (4 + 1)
    for translation, stages_due, texts, noted in (
        ({"file": str(file)}, [], traces, False),
        (SEQ2SEQ, ["translations", "back-translations"], traces + 2 * 3, False),
        (SEQ2SEQ | {"file": str(file)}, ["translations", "back-translations"], traces + 6, True),
    ):
        bare = study(problems=settings, translation=translation, variants={"base": {}})
        made = plan(bare, 10, Terms(tokens_per_second=1.0))
        assert [stage.name for stage in made.stages[2:]] == stages_due
        assert (made.texts, made.translations) == (texts, 3)
        assert any("as if a machine made them" in note for note in made.notes) is noted


def test_hours_follow_from_the_speed_that_is_given() -> None:
    made = plan(study(), 10, Terms(tokens_per_second=111.0))
    assert made.hours(made.stages[0]) == pytest.approx(120 / 3600)
    assert plan(study(), 10, Terms()).hours(made.stages[0]) is None


def test_models_that_are_here_are_measured_from_their_files() -> None:
    made = plan(study(), 10, Terms(device=10**9))
    (one, _) = made.models
    assert one.weights == 4 * one.parameters
    assert one.cache_per_trace == one.cache_per_token * (512 + 100 + 1 + 10)
    room = int(10**9 * 0.85) - one.weights
    assert one.traces_at_once == room // one.cache_per_trace
    assert made.fetched == 0


def test_what_does_not_fit_is_said_with_what_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_hub(monkeypatch, tmp_path / "cache", None)
    text = mitt("study", "validate", "paper", "--plan", "--gpu-memory", "16")
    assert "qwen-7b does not fit: its weights and one trace need a device of 18.7 GB" in text
    assert "llama-8b does not fit: its weights and one trace need a device of 20.6 GB" in text
    assert "does not fit" not in mitt("study", "validate", "paper", "--plan", "--gpu-memory", "24")


def test_every_recipe_of_the_paper_tunes_on_one_80_gb_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_hub(monkeypatch, tmp_path / "cache", None)
    paper = load_study("paper")
    largest = {}
    for name, one in paper.variants.items():
        alone = paper.model_copy(update={"variants": {"base": paper.variants["base"], name: one}})
        largest[name] = max(model.tuning for model in plan(alone, 1, Terms()).models) / 10**9
    packed = {largest.pop(name) for name in ("mitt", "own_prefix", "mitt_source")}
    (whole,) = [gigabytes for gigabytes in largest.values() if gigabytes]
    assert 20 < max(packed) < 27, "as a comment of the study says"
    assert 45 < whole < 60


def test_the_papers_plan_asks_nobody_and_fetches_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_hub() as hub:
        use_hub(monkeypatch, tmp_path / "cache", hub.address)
        for name in ("paper", "mt-aime2024"):
            text = mitt("study", "validate", name, "--plan", "--json", "--tokens-per-second", "1e3")
            told = json.loads(text)
            assert told["problems"] == {"evaluation": 30, "training": 200}
            # 30 x 8 samples x 2 models x 6 languages x 6 variants, 10,513 tokens each at most.
            assert told["stages"][0]["requests"] == 17_280
            assert told["stages"][0]["generated"] == 17_280 * (10_000 + 1 + 512)
            assert told["hours"]["traces"] == pytest.approx(17_280 * 10_513 / 1e3 / 3600)
            put_back = told["stages"][-1]
            assert put_back["name"] == "back-translations"
            # s1K is English: 200 into five languages; AIME 2025 lacks Vietnamese and Tagalog.
            assert put_back["partitions"] == 5
            assert put_back["requests"] == {"paper": 1_060, "mt-aime2024": 1_000}[name]
            assert told["hours"]["back-translations"] == put_back["generated"] / 1e3 / 3600
            assert {one["slug"] for one in told["models"]} == {"qwen-7b", "llama-8b"}
            assert "problems" in told["unpinned"]
            assert not {"models.qwen-7b", "models.llama-8b", "encoder"} & set(told["unpinned"])
        assert hub.requests == []
    assert not (tmp_path / "cache").exists()


def test_what_neither_the_study_nor_the_machine_knows_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_hub(monkeypatch, tmp_path / "cache", None)
    paper = load_study("paper")
    bare = paper.models["qwen-7b"].model_copy(update={"shape": None})
    with pytest.raises(ModelError, match=r"models\.qwen-7b\.shape: .*not on this machine.*hf down"):
        plan(paper.model_copy(update={"models": {"qwen-7b": bare}}), 1, Terms())
    split = paper.problems.evaluation.model_copy(update={"count": None})
    uncounted = paper.problems.model_copy(update={"evaluation": split})
    with pytest.raises(StudyError, match=r"problems\.evaluation\.count: .*how many problems of"):
        plan(paper.model_copy(update={"problems": uncounted}), 1, Terms())
