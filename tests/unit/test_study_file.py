"""Study files: one may extend another, and the shipped ones are what the method says."""

from __future__ import annotations

from pathlib import Path

import pytest

from mitt_assets.errors import StudyError
from mitt_assets.study_file import load_study, parse, shipped, show


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(f"name: {name}\n{text}", encoding="utf-8")
    return path


def test_a_study_takes_what_it_lacks_from_the_one_it_extends(tmp_path: Path) -> None:
    path = written(tmp_path, "mine", "extends: organism\ngeneration: {samples: 5}\n")
    mine, organism = load_study(path), load_study("organism")
    assert mine.name == "mine"
    assert mine.languages == organism.languages
    assert mine.generation.samples == 5
    assert mine.generation.budget != organism.generation.budget, "a key that is given is all given"
    assert parse(show(mine)) == mine


def test_a_file_is_found_beside_the_one_that_extends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "studies").mkdir()
    written(tmp_path / "studies", "first", "extends: organism\ntitle: first\n")
    path = written(tmp_path / "studies", "second", "extends: first.yaml\n")
    monkeypatch.chdir("/")
    assert load_study(path).title == "first"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: mine\nextends: mine.yaml\n", "extends this study itself"),
        ("name: mine\nextends: gone.yaml\n", "there is no study .*gone.yaml"),
        ("extends: organism\n", "name: required"),
        ("name: ÄÖ\nextends: organism\n", "name: found 'ÄÖ'; a name is of small letters a to z"),
        (
            "name: mine\nextends: organism\nproblems: {answer: {low: 100, high: 60}}",
            "problems.answer: no answer is possible from low, 100, to high, 60",
        ),
        (
            "name: mine\nextends: organism\ngeneration: {waits: yes}",
            r"generation.waits: found True \(YAML reads yes, .*write a number",
        ),
        (
            "name: mine\nextends: organism\ngeneration: {temperature: on}",
            "generation.temperature: found True",
        ),
        (
            "name: mine\nextends: organism\nlanguages: {no: {name: N, level: mid, wait: Vent}}",
            r"languages.*: found False \(YAML reads no, .*in quotes",
        ),
        (
            "name: mine\nextends: organism\nwindows: {candidates: [en, no]}",
            "windows.candidates.1: found False .*in quotes",
        ),
        (
            "name: mine\nextends: organism\nlanguages: {en: {name: English, level: high,"
            ' wait: "a </think>"}}',
            "languages.en.wait: found 'a </think>'; .* holds no </think>",
        ),
        ("name: mine\nextends: organism\nprobs: {}\n", "probs: no such key"),
        ('{"name": "mine", "extends": "organism", "name": "yours"}', "'name' is given twice"),
        (
            "name: mine\nextends: organism\nproblems: {language: it}\ntranslation: {units: words}",
            "translation.units: words are known in English only, and the set is in it",
        ),
        (
            "name: mine\nextends: organism\nwindows: {candidates: [en, xx, zh-cn]}",
            r"windows.candidates: langid has no language 'xx', 'zh-cn' \(zh\?\); give two letters",
        ),
    ],
)
def test_what_cannot_be_extended_is_said(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(StudyError, match=words):
        load_study(path)


def test_the_papers_studies_differ_in_their_problems_alone() -> None:
    assert {"paper", "mt-aime2024"} <= set(shipped())
    paper, other = load_study("paper"), load_study("mt-aime2024")
    same = {"name", "title", "problems"}
    assert paper.model_dump(exclude=same) == other.model_dump(exclude=same)
    assert set(paper.problems.columns.configs) == {"en", "it", "de", "pt"}
    assert set(other.problems.columns.configs) == set(other.languages) == set(paper.languages)


def test_the_papers_settings_are_the_methods() -> None:
    paper = load_study("paper")
    generation = paper.generation
    assert (generation.temperature, generation.top_p, generation.budget) == (0.6, 0.95, 10_000)
    assert (paper.probes.stride, paper.windows.tokens) == (32, 32)
    assert (paper.windows.segments, paper.windows.rolling) == (20, 5)
    recipe = paper.variants["mitt"].recipe
    assert recipe is not None
    assert recipe.cut.tokens is not None
    assert recipe.cut.tokens < 32
    assert set(recipe.prompt_languages) == set(paper.languages)
    recipes = {name: one.recipe for name, one in paper.variants.items() if one.recipe}
    short = {name for name, one in recipes.items() if one.cut.tokens is not None}
    assert {name for name, one in recipes.items() if one.adapter.packed} == short
    tuned = {str(one.adapter.model_dump(exclude={"packed"})) for one in recipes.values()}
    assert len(tuned) == 1, "what is compared differs in its data alone"
    assert paper.statistics.comparisons[0] == ("mitt", "own_prefix")
