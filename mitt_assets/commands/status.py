"""``mitt status``: the grid of assets and partitions, and why each is not as it should be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from mitt_assets.commands.options import STUDY, selection_options

if TYPE_CHECKING:
    from rich.console import Console

    from mitt_assets.materialise import Maker
    from mitt_assets.runner.plan import Selection, Task

MARKS = {
    "fresh": "[green]●[/green]",
    "stale": "[yellow]◐[/yellow]",
    "refused": "[red]✖[/red]",
    "damaged": "[red]▲[/red]",
    "missing": "[dim]○[/dim]",
}


@click.command()
@STUDY
@selection_options
@click.option("--json", "as_json", is_flag=True, help="As JSON, with the study's content_root.")
@click.option("--limit", type=click.IntRange(min=1), help="The home of `mitt run --limit N`.")
def status(study: str | None, selection: Selection, as_json: bool, limit: int | None) -> None:
    """Show which partitions are made, stale, refused, damaged or missing, and why.

    `mitt run` makes again what is stale or damaged. Whether bytes were altered, `mitt lineage
    audit` tells.

    \b
    mitt status                       the whole grid
    mitt status --language tl         Tagalog only
    mitt status --json | jq .content_root
    """
    from rich.console import Console

    from mitt_assets.home import open_maker
    from mitt_assets.runner.plan import asked

    maker = open_maker(study, limit)
    tasks = [task for task in maker.graph.all_partitions if asked(maker.graph, task, selection)]
    states = {task: _state(maker, task) for task in tasks}
    if as_json:
        click.echo(json.dumps(_plain(maker, states), indent=2, ensure_ascii=False))
        return
    _print(Console(), maker, states)


def _state(maker: Maker, task: Task) -> dict[str, Any]:
    from mitt_assets.errors import IntegrityError

    reasons = maker.reasons(*task)
    try:
        record = maker.store.current(*task)
    except IntegrityError:
        record = None
    verdict = maker.gate.verdict(record) if record else None
    refusal = maker.gate.refusal(record) if record else None
    kinds = {reason.kind for reason in reasons}
    made = "stale" if reasons else "refused" if refusal else "fresh"
    return {
        "state": next((kind for kind in ("damaged", "missing") if kind in kinds), made),
        "verdict": verdict.result if verdict else None,
        "refusal": refusal,
        "content": record.content if record else None,
        "statement": record.statement if record else None,
        "reasons": [reason.sentence() for reason in reasons],
    }


def _plain(maker: Maker, states: dict[Task, dict[str, Any]]) -> dict[str, Any]:
    made = [task for task, state in states.items() if state["content"]]
    return {
        "study": maker.graph.study.name,
        "content_root": maker.store.content_root(made),
        "statement_root": maker.store.statement_root(made),
        "partitions": [
            {"asset": asset, "partition": partition, **state}
            for (asset, partition), state in states.items()
        ],
    }


def _print(console: Console, maker: Maker, states: dict[Task, dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table("asset", "partitions", box=None, pad_edge=False)
    for asset in maker.graph.steps:
        row = {key: state for (name, key), state in states.items() if name == asset}
        if row:
            table.add_row(asset, _cells(row))
    console.print(table)
    console.print(
        f"{MARKS['fresh']} up to date   {MARKS['stale']} stale   {MARKS['refused']} refused"
        f"   {MARKS['damaged']} damaged   {MARKS['missing']} missing"
    )
    _print_reasons(console, states)
    made = [task for task, state in states.items() if state["content"]]
    console.print(f"content root {maker.store.content_root(made)}", soft_wrap=True)


def _cells(row: dict[str | None, dict[str, Any]]) -> str:
    return "  ".join(f"{MARKS[state['state']]} {key or ''}".rstrip() for key, state in row.items())


def _print_reasons(console: Console, states: dict[Task, dict[str, Any]]) -> None:
    """Why partitions are stale, refused or damaged, equal reasons together."""
    from rich.markup import escape

    from mitt_assets.lineage.statement import label

    together: dict[tuple[str, str], list[str]] = {}
    for task, state in states.items():
        why = state["refusal"] if state["state"] == "refused" else "; ".join(state["reasons"])
        if state["state"] in ("stale", "refused", "damaged"):
            together.setdefault((state["state"], why), []).append(label(*task))
    for (kind, why), names in together.items():
        color = "yellow" if kind == "stale" else "red"
        some = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        said = f"[{color}]{kind}[/{color}] {escape(some)}: {escape(why)}"
        console.print(said, soft_wrap=True)
