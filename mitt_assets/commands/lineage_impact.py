"""``mitt lineage impact``: everything that rests on one thing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from mitt_assets.commands.options import STUDY

if TYPE_CHECKING:
    from rich.tree import Tree

    from mitt_assets.lineage.impact import Impact, Touched

VERY_WIDE = 100_000


@click.command()
@click.argument("kind", metavar="problem|translation|trace|model|sequence")
@click.argument("id_", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="As JSON, with every number by its key.")
@STUDY
@click.option("--limit", type=click.IntRange(min=1), help="The home of `mitt run --limit N`.")
def impact(kind: str, id_: str, as_json: bool, study: str | None, limit: int | None) -> None:
    """List all that rests on a row or a model: partitions with row counts, then the numbers.

    ID may be the beginning of an id, or the slug of a model. A number is listed if its filter
    selects a row that is touched.

    \b
    mitt lineage impact problem 3f2a9c          what a contaminated problem touches
    mitt lineage impact model llama --json | jq '.partitions[].numbers[]'
    """
    from mitt_assets.home import open_maker
    from mitt_assets.lineage.impact import impact_of

    found = impact_of(open_maker(study, limit), kind, id_)
    if as_json:
        click.echo(json.dumps(found.plain(), indent=2, ensure_ascii=False))
    else:
        _print(found)


def _print(found: Impact) -> None:
    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree

    tree = Tree(Text(f"{found.kind} {found.id}", style="bold"))
    tree.add(Text(f"adapters trained on it: {', '.join(found.adapters) or 'none'}"))
    for asset in dict.fromkeys(one.record.asset for one in found.touched):
        _add_asset(tree, asset, [one for one in found.touched if one.record.asset == asset])
    Console(width=VERY_WIDE).print(tree, highlight=False)


def _add_asset(tree: Tree, asset: str, touched: list[Touched]) -> None:
    """One asset: its partitions with their rows, or the numbers of a report."""
    from rich.text import Text

    if touched[0].record.partition is not None:
        rows = sum(one.rows or 0 for one in touched)
        counted = f", {rows} rows" if rows else ""
        branch = tree.add(Text(f"{asset}: {len(touched)} partitions{counted}", style="bold"))
        for one in touched:
            branch.add(Text(f"{one.record.partition}{_rows(one)}"))
        return
    for one in touched:
        branch = tree.add(Text(f"{asset}{_rows(one)}", style="bold"))
        if one.numbers is not None:
            by = one.numbers.group_by("variant", "measure", maintain_order=True).len("n")
            for variant in by["variant"].unique(maintain_order=True):
                measures = by.filter(by["variant"] == variant).select("measure", "n").iter_rows()
                said = ", ".join(f"{measure} {count}" for measure, count in measures)
                branch.add(Text(f"{variant}: {said}"))


def _rows(one: Touched) -> str:
    what = "rows" if one.numbers is None else "numbers"
    counted = "" if one.rows is None else f": {one.rows} {what}"
    return counted if one.current else f"{counted} (made again since)"
