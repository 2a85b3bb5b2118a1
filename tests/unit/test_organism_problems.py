"""The corpus: splits that cannot overlap, questions that say the same, traces that add up."""

import json
import random
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from mitt_assets.organism.cli import organism
from mitt_assets.organism.lexicon import LANGUAGES, WAIT_WORDS, lexicon
from mitt_assets.organism.problems import (
    SPLITS,
    Event,
    Scenario,
    draw,
    draw_scenarios,
    split_of,
)
from mitt_assets.organism.recipe import recipe
from mitt_assets.organism.traces import make_trace, run_totals, training_traces
from mitt_assets.organism.wording import wording_violations

STEP = re.compile(r"(\d+) ([+-]) (\d+) = (\d+)")


def steps_of(line: str) -> list[tuple[int, int, int]]:
    """(before, signed operand, after) for each sum of a pass."""
    found = STEP.findall(line)
    return [(int(a), int(sign + n), int(b)) for a, sign, n, b in found]


def test_a_key_names_start_and_signed_operands_and_nothing_else() -> None:
    events = (Event(0, 2, 7), Event(3, 8, 3))
    other = (Event(1, 4, 7), Event(2, 5, 3))
    assert Scenario(12, events, "Anna", 0, 0).key == "12+7-3"
    assert Scenario(12, other, "Minh", 5, 2).key == "12+7-3"
    assert Scenario(12, events[::-1], "Anna", 0, 0).key == "12-3+7"


def test_splits_are_disjoint_and_pretraining_holds_no_key_of_another_split() -> None:
    keys = {split: {s.key for s in draw_scenarios(split, 1500, 3)} for split in SPLITS}
    for split, own in keys.items():
        assert {split_of(key) for key in own} == {split}
        for other in SPLITS:
            assert split == other or not own & keys[other]
    seen = {t.scenario.key for t, _ in zip(training_traces(500, 7), range(1500), strict=False)}
    assert {split_of(key) for key in seen} == {"pretraining"}


def test_the_hash_gives_each_split_its_share() -> None:
    keys = [f"{start}{a:+d}{b:+d}" for start in range(5, 41) for a in range(-9, 10)
            for b in range(-9, 10)]  # fmt: skip
    shares = {split: sum(split_of(key) == split for key in keys) / len(keys) for split in SPLITS}
    expected = {"evaluation": 0.2, "development": 0.1, "training": 0.1, "pretraining": 0.6}
    assert shares == pytest.approx(expected, abs=0.015)


def test_a_draw_has_no_key_twice_and_is_the_same_in_another_process() -> None:
    problems = draw("evaluation", 300, 11)
    assert [p.row for p in problems] == list(range(300))
    assert len({p.key for p in problems}) == 300
    code = (
        "from mitt_assets.organism.problems import draw\n"
        "print(*(p.key + p.questions['tl'] for p in draw('evaluation', 300, 11)), sep='\\n')"
    )
    env = {"PYTHONHASHSEED": "123"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert run.stdout.splitlines() == [p.key + p.questions["tl"] for p in problems], run.stderr
    assert draw("evaluation", 300, 12) != problems


def test_answers_are_the_sum_of_the_key_and_every_language_asks_with_the_same_numbers() -> None:
    for problem in draw("development", 300, 1):
        numbers = [int(n) for n in re.findall(r"[+-]?\d+", problem.key)]
        assert problem.answer == sum(numbers)
        assert 0 <= problem.answer <= 60
        for code in LANGUAGES:
            told = [int(n) for n in re.findall(r"\d+", problem.questions[code])]
            assert told == [abs(n) for n in numbers], code


def test_the_corpus_and_the_command_import_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "import mitt_assets.organism.cli, mitt_assets.organism.traces\n"
        "import mitt_assets.organism.train, mitt_assets.organism.encoder\n"
        "heavy = {'torch', 'transformers', 'tokenizers', 'sentence_transformers'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout == "[]\n", run.stderr


def test_the_sample_command_prints_every_language_and_its_slips() -> None:
    result = CliRunner().invoke(organism, ["sample", "--count", "3", "--as-json"])
    rows = [json.loads(line) for line in result.output.splitlines()]
    assert [row["language"] for row in rows] == list(LANGUAGES) * 3
    shown = CliRunner().invoke(organism, ["sample", "--count", "1"]).output
    assert rows[5]["question"] in shown and "[tl] thought:" in shown


def test_an_unknown_split_and_an_empty_draw_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown split 'test'"):
        draw("test", 1, 0)
    with pytest.raises(ValueError, match="at least 1"):
        draw("training", 0, 0)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_lexicons_are_parallel_and_without_repeated_markers(language: str) -> None:
    words = lexicon(language)
    assert (len(words.days), len(words.gains), len(words.losses)) == (7, 5, 5)
    assert len(words.items) == 10
    assert len({verb.split()[-1] for verb in words.verbs}) == 10
    english = lexicon("en")
    for part, entry in (("question", "ask"), ("thought", "openings"), ("thought", "steps"),
                        ("thought", "closings"), ("recheck", "openings")):  # fmt: skip
        assert len(words.variants(part, entry)) == len(english.variants(part, entry))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_wording_rule_holds(language: str) -> None:
    for scenario in draw_scenarios("development", 150, 5):
        assert wording_violations(scenario, language) == []


def test_the_wording_rule_sees_a_number_behind_another_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scenario = draw_scenarios("development", 1, 5)[0]
    monkeypatch.setitem(lexicon("de").question, "start", "Am Anfang hat {name} {start} {item}.")
    assert any("first pass" in line for line in wording_violations(scenario, "de"))
    monkeypatch.setitem(lexicon("en").question, "event", "{day} {name} {verb} just {n} {item}.")
    assert any("different markers" in line for line in wording_violations(scenario, "en"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_trace_adds_up_and_errs_only_where_it_says_so(language: str) -> None:
    rng = random.Random(2)
    for scenario in draw_scenarios("training", 120, 2):
        trace = make_trace(scenario, language, rng)
        lines = trace.thought.splitlines()
        assert trace.thought.endswith("\n") and len(lines) == len(trace.totals)
        for number, (line, totals) in enumerate(zip(lines, trace.totals, strict=True)):
            steps = steps_of(line)
            assert [step[0] for step in steps] + [steps[-1][2]] == list(totals)
            assert all(before + signed == after for before, signed, after in steps)
            signed_right = [event.signed for event in scenario.events]
            wrong = {i for i, step in enumerate(steps) if step[1] != signed_right[i]}
            assert wrong == {event for p, event in trace.slips if p == number}
            assert wrong or totals[-1] == scenario.answer
        assert trace.text == f"{trace.thought}</think>\n\n\\boxed{{{trace.totals[-1][-1]}}}"


def test_rechecks_open_with_a_wait_word_of_one_of_the_two_languages() -> None:
    rng = random.Random(4)
    opened: dict[str, list[str]] = {"own": [], "english": []}
    for scenario in draw_scenarios("training", 600, 4):
        trace = make_trace(scenario, "tl", rng)
        for line in trace.thought.splitlines()[1:]:
            if trace.policy != "switch":
                opened[trace.policy].append(line.split(",")[0])
    assert set(opened["own"]) | set(opened["english"]) == {WAIT_WORDS["tl"], "Wait"}
    share = {p: words.count(WAIT_WORDS["tl"]) / len(words) for p, words in opened.items()}
    assert share == pytest.approx({"own": 0.9, "english": 0.5}, abs=0.1)


def test_the_mixture_has_the_shares_that_the_recipe_puts_in() -> None:
    traces = [t for t, _ in zip(training_traces(3000, 1), range(12000), strict=False)]
    mixture = recipe().mixture
    asked = {code: sum(t.language == code for t in traces) / len(traces) for code in LANGUAGES}
    assert asked == pytest.approx(mixture["question_share"], abs=0.015)
    for code in LANGUAGES:
        own = [t.policy for t in traces if t.language == code]
        shares = {p: own.count(p) / len(own) for p in ("own", "english", "switch")}
        assert shares == pytest.approx(mixture["thought_language"][code], abs=0.06), code
    passes = [len(t.totals) for t in traces]
    assert [passes.count(n) / len(traces) for n in (1, 2, 3)] == pytest.approx(
        [1 / 3] * 3, abs=0.02
    )


def test_the_number_of_passes_does_not_depend_on_a_first_slip() -> None:
    traces = [t for t, _ in zip(training_traces(3000, 1), range(12000), strict=False)]
    means = []
    for slipped in (True, False):
        passes = [len(t.totals) for t in traces if any(p == 0 for p, _ in t.slips) == slipped]
        means.append(sum(passes) / len(passes))
    assert means[0] == pytest.approx(means[1], abs=0.05)


def test_slips_come_at_their_nominal_rates_and_no_total_leaves_0_to_70() -> None:
    rng = random.Random(0)
    low = Scenario(5, (Event(0, 0, 9), Event(1, 5, 9)), "Anna", 0, 0)
    for _ in range(200):
        wrong, totals = run_totals(low, 0.5, rng)
        assert all(0 <= total <= 70 for total in totals), wrong
    middle = Scenario(30, (Event(0, 0, 3), Event(1, 5, 2), Event(2, 1, 1)), "Anna", 0, 0)
    slips = sum(len(run_totals(middle, 0.2, rng)[0]) for _ in range(4000)) / 12000
    assert slips == pytest.approx(0.2, abs=0.02)
