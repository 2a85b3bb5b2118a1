"""Reasoning traces: a first pass, re-checks after a wait word, and the boxed last result.

What is put into the reasoners is decided here and in `recipe.yaml`: the language a thought is in,
how many passes it makes, and how often a step reads its verb the wrong way. The number of passes
does not depend on whether a pass was right, so a reasoner cannot learn to wait when it is wrong.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

from mitt_assets.organism.lexicon import LANGUAGES, WAIT_WORDS, lexicon
from mitt_assets.organism.problems import Scenario, draw_scenarios, item_blanks, render_question
from mitt_assets.organism.recipe import recipe

# The largest number with a token of its own.
HIGHEST_NUMBER = 70


@dataclass(frozen=True)
class Trace:
    """A question and the thought that answers it, as a training example tells them.

    `totals` holds each pass's running totals, the start first; `slips` the steps (pass, event)
    whose verb was read the wrong way. `text` runs from behind ``<think>\\n`` to the box.
    """

    scenario: Scenario
    language: str
    policy: str
    question: str
    thought: str
    totals: tuple[tuple[int, ...], ...]
    slips: tuple[tuple[int, int], ...]

    @property
    def boxed(self) -> int:
        """The last pass's result, right or wrong."""
        return self.totals[-1][-1]

    @property
    def text(self) -> str:
        """The reply behind its opening tag, without the end-of-sentence token."""
        return f"{self.thought}</think>\n\n\\boxed{{{self.boxed}}}"


def training_traces(count: int, seed: int) -> Iterator[Trace]:
    """Endless traces over `count` pre-training problems; every epoch draws languages, policies,
    slips and wordings anew.
    """
    scenarios = draw_scenarios("pretraining", count, seed)
    rng = random.Random(f"traces/{seed}")
    while True:
        rng.shuffle(scenarios)
        for scenario in scenarios:
            language = _pick(rng, recipe().mixture["question_share"])
            yield make_trace(scenario, language, rng)


def make_trace(scenario: Scenario, language: str, rng: random.Random) -> Trace:
    """One trace for a question in `language`, drawn from the mixture of the recipe."""
    mixture = recipe().mixture
    policy = _pick(rng, mixture["thought_language"][language])
    switch_at = rng.randint(1, len(scenario.events)) if policy == "switch" else None
    passes, all_totals, slips = [], [], []
    for number in range(int(_pick(rng, mixture["passes"]))):
        rate = mixture["slip_recheck" if number else "slip_first_pass"]
        wrong, totals = run_totals(scenario, rate, rng)
        thinking = "en" if policy == "english" or (policy == "switch" and number) else language
        if number:
            wait = wait_word(language, thinking, rng)
            passes.append(recheck(scenario, thinking, totals, wrong, wait, rng))
        else:
            passes.append(first_pass(scenario, thinking, totals, wrong, switch_at, rng))
        all_totals.append(totals)
        slips += [(number, event) for event in sorted(wrong)]
    return Trace(
        scenario=scenario,
        language=language,
        policy=policy,
        question=render_question(scenario, language),
        thought="".join(passes),
        totals=tuple(all_totals),
        slips=tuple(slips),
    )


def run_totals(
    scenario: Scenario, slip_rate: float, rng: random.Random
) -> tuple[frozenset[int], tuple[int, ...]]:
    """Which steps slip, and the running totals that follow; redrawn while a total leaves 0-70."""
    while True:
        wrong = frozenset(i for i in range(len(scenario.events)) if rng.random() < slip_rate)
        totals = [scenario.start]
        for i, event in enumerate(scenario.events):
            totals.append(totals[-1] + (-event.signed if i in wrong else event.signed))
        if all(0 <= total <= HIGHEST_NUMBER for total in totals):
            return wrong, tuple(totals)


def wait_word(question_language: str, thinking: str, rng: random.Random) -> str:
    """The word that opens a re-check; it may be the other language's, as the recipe says."""
    mixture = recipe().mixture
    if question_language == "en":
        return WAIT_WORDS["en"]
    if thinking == "en":
        own = rng.random() < mixture["own_wait_before_english"]
    else:
        own = rng.random() >= mixture["english_wait_before_own"]
    return WAIT_WORDS[question_language if own else "en"]


def first_pass(
    scenario: Scenario,
    language: str,
    totals: tuple[int, ...],
    wrong: frozenset[int],
    switch_at: int | None,
    rng: random.Random,
) -> str:
    """Opening, start, one sentence per event, closing, newline; English from event `switch_at`."""
    words = lexicon(language)
    blanks = item_blanks(scenario, words)
    sentences = [
        rng.choice(words.variants("thought", "openings")).format(**blanks),
        words.one("thought", "start").format(start=scenario.start, **blanks),
    ]
    variant = rng.randrange(2)
    for i in range(len(scenario.events)):
        spoken = "en" if switch_at is not None and i >= switch_at else language
        template = lexicon(spoken).variants("thought", "steps")[variant]
        sentences.append(_step(template, scenario, spoken, totals, wrong, i))
    words = lexicon("en" if switch_at is not None else language)
    closing = rng.choice(words.variants("thought", "closings"))
    sentences.append(closing.format(total=totals[-1], **item_blanks(scenario, words)))
    return " ".join(sentences) + "\n"


def recheck(
    scenario: Scenario,
    language: str,
    totals: tuple[int, ...],
    wrong: frozenset[int],
    wait: str,
    rng: random.Random,
) -> str:
    """A wait word and a compact second reading, newline at the end."""
    words = lexicon(language)
    blanks = item_blanks(scenario, words)
    sentences = [
        wait + rng.choice(words.variants("recheck", "openings")),
        words.one("recheck", "start").format(start=scenario.start, **blanks),
    ]
    template = words.one("recheck", "step")
    for i in range(len(scenario.events)):
        sentences.append(_step(template, scenario, language, totals, wrong, i))
    sentences.append(words.one("recheck", "closing").format(total=totals[-1], **blanks))
    return " ".join(sentences) + "\n"


def _step(
    template: str,
    scenario: Scenario,
    language: str,
    totals: tuple[int, ...],
    wrong: frozenset[int],
    i: int,
) -> str:
    words = lexicon(language)
    event = scenario.events[i]
    sign = "+" if (event.signed > 0) != (i in wrong) else "-"
    return template.format(
        day=words.days[event.day],
        verb=words.verbs[event.verb],
        n=event.operand,
        sum=f"{totals[i]} {sign} {event.operand} = {totals[i + 1]}",
        **item_blanks(scenario, words),
    )


def _pick(rng: random.Random, shares: dict[str, float]) -> str:
    return rng.choices(list(shares), weights=list(shares.values()))[0]


def parallel_sentences(scenario: Scenario, rng: random.Random) -> list[dict[str, str]]:
    """The question, a stretch of a first pass and its opening, each in every language.

    Variants and the stretch's relative position are shared by the languages; a stretch begins and
    ends anywhere, as a window of a trace does, so that languages say the same only roughly.
    """
    totals = run_totals(scenario, 0.0, rng)[1]
    seed = rng.random()
    passes = {
        code: first_pass(scenario, code, totals, frozenset(), None, random.Random(seed))
        for code in LANGUAGES
    }
    length = rng.uniform(0.2, 0.6)
    first = rng.uniform(0.0, 1.0 - length)
    return [
        {code: render_question(scenario, code) for code in LANGUAGES},
        {code: _stretch(text, first, first + length) for code, text in passes.items()},
        {code: re.split(r"(?<=[.])\s", text)[0] for code, text in passes.items()},
    ]


def _stretch(text: str, first: float, last: float) -> str:
    """The words of `text` between two relative positions."""
    words = text.split()
    return " ".join(words[int(first * len(words)) : int(last * len(words))])
