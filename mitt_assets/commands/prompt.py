"""``mitt prompt``: the exact text and tokens a model is sent."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from mitt_assets.commands.options import STUDY

if TYPE_CHECKING:
    from mitt_assets.study import Study
    from resources.engines.tokenizer import ReasoningTokenizer
    from resources.problem_sources import SourceProblem

WIDTH = 96


@click.command()
@STUDY
@click.option("--language", help="Language of the question (default: the study's own).")
@click.option("--model", help="Slug of a model (default: the study's first).")
@click.option(
    "--problem",
    "number",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Which evaluation problem.",
)
def prompt(study: str | None, language: str | None, model: str | None, number: int) -> None:
    """Print the exact text and tokens a model is sent, and what is put into its thoughts.

    Nothing is generated. Check here that the chat template, the opening <think>, the wait word and
    the suffix that forces an answer are what you mean.

    \b
    mitt prompt --language tl
    mitt prompt --study paper --model qwen-7b --language vi --problem 3
    """
    from mitt_assets.study_file import load_study
    from resources.engines.tokenizer import ReasoningTokenizer
    from resources.models import locate
    from resources.problem_sources import open_source

    chosen = load_study(study)
    language = _known(language or chosen.problems.language, chosen.languages, "language")
    model = _known(model or next(iter(chosen.models)), chosen.models, "model")
    one = _problem(open_source(chosen).load("evaluation"), number)
    wanted = chosen.models[model]
    place = f"models.{model}.source"
    folder = locate(wanted.source, wanted.revision, place, weights=False)
    tokenizer = ReasoningTokenizer(folder)
    click.echo(f"{chosen.name}: problem {number} ({one.row}), answer {one.answer}")
    click.echo(f"model {model} ({wanted.source}), language {language}\n")
    asked = language if language in one.questions else chosen.problems.language
    if asked != language:
        click.echo(
            f"the set has no question in {language}: translations makes it; here in {asked}\n"
        )
    _print_prompt(tokenizer, one.questions[asked], chosen.languages[language].instruction)
    _print_insertions(tokenizer, chosen, language)


def _known(name: str, known: Iterable[str], kind: str) -> str:
    from mitt_assets.errors import StudyError

    if name not in known:
        raise StudyError(f"no {kind} {name!r} in this study; there are {', '.join(known)}")
    return name


def _problem(problems: list[SourceProblem], number: int) -> SourceProblem:
    from mitt_assets.errors import StudyError

    if number > len(problems):
        raise StudyError(f"no evaluation problem {number}; there are {len(problems)}")
    return problems[number - 1]


def _print_prompt(tokenizer: ReasoningTokenizer, question: str, instruction: str) -> None:
    tokens = list(tokenizer.prompt(question, instruction))
    click.echo(tokenizer.decode(tokens))
    click.echo(f"\nprompt: {len(tokens)} tokens")
    _print_tokens(tokenizer, tokens)


def _print_insertions(tokenizer: ReasoningTokenizer, study: Study, language: str) -> None:
    """What budget forcing and probes add to a thought, as they encode it."""
    for title, text in (
        ("wait, instead of </think>", study.languages[language].wait),
        ("probe opening, unless a line just ended", study.probes.opening),
        ("probe suffix", study.probes.suffix),
    ):
        tokens = list(tokenizer.encode(text))
        click.echo(f"\n{title}: {json.dumps(text, ensure_ascii=False)}, {len(tokens)} tokens")
        _print_tokens(tokenizer, tokens)


def _print_tokens(tokenizer: ReasoningTokenizer, tokens: list[int]) -> None:
    """Ids with the piece of text each stands for, as many in a line as fit."""
    line = ""
    for token in tokens:
        piece = f"{token} {json.dumps(tokenizer.decode([token]), ensure_ascii=False)}"
        if line and len(line) + len(piece) > WIDTH:
            click.echo(f"  {line}")
            line = ""
        line = f"{line}   {piece}" if line else piece
    click.echo(f"  {line}")
