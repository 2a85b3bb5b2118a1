"""``mitt study``: start, show and validate a study file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mitt_assets.commands.options import STUDY

if TYPE_CHECKING:
    from rich.console import Console

    from mitt_assets.graph import Graph
    from mitt_assets.study import Study

TEMPLATE = Path(__file__).with_name("new_study.yaml")
ARGUMENT = click.argument("name", metavar="[STUDY]", required=False)


@click.group()
def study() -> None:
    """Start, show and validate a study file.

    \b
    mitt study new mine.yaml            a commented file that runs as it is
    mitt study validate mine.yaml       is it right, and what would it make?
    mitt study show mine.yaml           every setting, defaults included
    """


@study.command()
@click.argument("name", metavar="NAME|FILE")
def new(name: str) -> None:
    """Write a commented study file that runs as it is. A file that exists is left alone.

    \b
    mitt study new mine                 writes mine.yaml
    mitt study new studies/mine.yaml
    """
    from mitt_assets.errors import StorageError, StudyError
    from mitt_assets.study_file import parse

    path = Path(name)
    path = path if path.suffix in (".yaml", ".yml") else path.with_name(f"{path.name}.yaml")
    text = TEMPLATE.read_text(encoding="utf-8")
    text = text.replace("__NAME__", path.stem).replace("__FILE__", str(path))
    parse(text, str(path))
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise StudyError(f"{path} exists already; choose another name, or edit it") from error
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error}") from error
    click.echo(f"Wrote {path}. Next: mitt study validate {path}")


@study.command()
@ARGUMENT
@STUDY
@click.option("--changed", is_flag=True, help="Only what differs from the defaults.")
def show(name: str | None, study: str | None, changed: bool) -> None:
    """Print a study with every default written out, and what in it is assumed.

    What is printed is a study file itself.

    \b
    mitt study show paper
    mitt study show mine.yaml --changed
    """
    import yaml

    from mitt_assets import study_file

    chosen = study_file.load_study(name or study)
    if changed:
        raw = chosen.model_dump(mode="json", exclude_defaults=True)
        click.echo(yaml.safe_dump(raw, sort_keys=False, allow_unicode=True, width=100), nl=False)
        return
    click.echo(study_file.show(chosen), nl=False)
    click.echo("\n# Assumed, for no primary source states it:")
    for one in _assumptions(chosen):
        click.echo(f"#   {one.key} = {one.value}: {one.why}")


@study.command()
@ARGUMENT
@STUDY
def validate(name: str | None, study: str | None) -> None:
    """Check a study and its problems, and print what it would make. Nothing is made.

    \b
    mitt study validate paper
    MITT_STUDY=mine.yaml mitt study validate
    """
    from rich.console import Console

    from mitt_assets.assets.chain import build_graph
    from mitt_assets.study_file import load_study

    chosen = load_study(name or study)
    console = Console(highlight=False, soft_wrap=True)
    graph = build_graph(chosen)
    _print_partitions(graph, console)
    _print_assumptions(chosen, console)
    _print_problems(chosen, console)
    console.print("[green]The study is valid.[/green]")


def _print_partitions(graph: Graph, console: Console) -> None:
    from rich.table import Table

    table = Table("asset", "partitions", "one for each", box=None, pad_edge=False)
    for step in graph.steps.values():
        number = len(graph.partitions(step.asset))
        table.add_row(step.asset, str(number), " x ".join(step.dimensions))
    console.print(f"[bold]{graph.study.name}[/bold] {graph.study.title}")
    console.print(table)
    console.print(f"{len(graph.all_partitions)} partitions in {len(graph.steps)} assets.\n")


def _print_assumptions(study: Study, console: Console) -> None:
    from rich.markup import escape

    found = _assumptions(study)
    console.print(f"{len(found)} settings are assumed, for no primary source states them:")
    for one in found:
        console.print(f"  {escape(one.key)} = {escape(one.value)}: {escape(one.why)}")


def _assumptions(study: Study) -> list[Any]:
    from mitt_assets.reporting.assumptions import assumptions, grouped

    return grouped(assumptions(study))


def _print_problems(study: Study, console: Console) -> None:
    """Read the problems, which finds what is wrong with them, and count traces from them."""
    from resources.problem_sources import load_all, open_source

    loaded = load_all(open_source(study), study.problems)
    counts = {split: len(problems) for split, problems in loaded.items()}
    said = ", ".join(f"{count} for {split}" for split, count in counts.items())
    console.print(f"\nProblems, all with a question in {', '.join(study.languages)}: {said}.")
    evaluation, training = trace_counts(study, counts)
    console.print(f"Traces: {evaluation:,} for evaluation, {training:,} to train on.")


def trace_counts(study: Study, problems: dict[str, int]) -> tuple[int, int]:
    """Traces that all partitions together would hold: for evaluation, and to train on."""
    runs = len(study.models) * len(study.languages) * len(study.variants)
    evaluation = problems["evaluation"] * study.generation.samples * runs
    training = 0
    for variant in study.variants.values():
        if variant.recipe is not None:
            recipe = variant.recipe
            made_in = {*recipe.source_languages, *recipe.whole_languages}
            available = problems.get("training", 0)
            used = min(recipe.problems or available, available)
            training += used * len(made_in) * len(study.models)
    return evaluation, training
