"""``mitt lineage trace``: one number, back to its first rows."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mitt_assets.commands.options import STUDY

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.tree import Tree

    from mitt_assets.lineage.row_walk import Rows, TracedRow
    from mitt_assets.lineage.trace import Partition, Trace
    from mitt_assets.lineage.weights import WeightFile

DIGITS = 12
"""Hex digits of a digest on the terminal; files of weights and JSON have all of them."""
WIDE = 72
VERY_WIDE = 100_000


@click.command()
@click.argument("report")
@click.option("--where", default="", help="Columns of the number: language=tl,budget=128,…")
@click.option("--json", "as_json", is_flag=True, help="As JSON, with whole rows and records.")
@click.option("--html", type=click.Path(path_type=Path), help="Write a page to click through.")
@click.option(
    "--rows",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="How many rows are shown at every step.",
)
@STUDY
@click.option("--limit", type=click.IntRange(min=1), help="The home of `mitt run --limit N`.")
def trace(
    report: str,
    where: str,
    as_json: bool,
    html: Path | None,
    rows: int,
    study: str | None,
    limit: int | None,
) -> None:
    """Walk one number of REPORT back to problem, prompt, weights, adapter, code and seeds.

    The number is made again from its rows; exits with 1 if that gives another one. --where names
    it by the report's columns (measure, model, variant, language, curve, axis, x); budget=128 is
    short for axis=tokens,x=128. What is left open is listed.

    \b
    mitt lineage trace scaling --where measure=accuracy_end,language=tl,variant=mitt,x=0
    mitt lineage trace drift --where ... --html drift.html
    """
    from mitt_assets.home import open_maker
    from mitt_assets.lineage.numbers import parse_where
    from mitt_assets.lineage.trace import trace_number

    found = trace_number(open_maker(study, limit), report, parse_where(where), rows)
    if html is not None:
        _write_page(found, html)
    if as_json:
        click.echo(json.dumps(found.plain(), indent=2, ensure_ascii=False))
    elif html is None:
        _print(found)
    else:
        click.echo(f"Page: {html}")
    if found.differences:
        _complain(found)
        sys.exit(1)


MARK = b'content="mitt lineage trace"'
"""What a page of this command has near its beginning."""


def _write_page(found: Trace, path: Path) -> None:
    from mitt_assets.errors import StorageError
    from mitt_assets.reporting.trace_page import trace_page
    from resources.files import told, write_atomic

    with told(path, "write the page of the trace"):
        if path.exists() and not (path.is_file() and MARK in path.read_bytes()[:1000]):
            raise StorageError(f"{path} is not a page of ours; give another --html.")
        write_atomic(path, trace_page(found))


def _complain(found: Trace) -> None:
    """Say loudly that a stored number is not what its rows give."""
    click.secho(
        f"THE STORED NUMBER IS NOT WHAT ITS ROWS GIVE: {found.title}", fg="red", bold=True, err=True
    )
    for one in found.differences:
        click.secho(f"  {one.column}: stored {one.stored}, made {one.computed}", fg="red", err=True)
    click.echo(
        "If the code or the libraries changed since, make the report again with:"
        f" mitt run --select {found.report.asset} --force",
        err=True,
    )


def _print(found: Trace) -> None:
    from rich.console import Console
    from rich.tree import Tree

    estimate = found.estimate
    tree = Tree(_text(f"{found.title} = {estimate['estimate']}", "bold"))
    tree.add(_text(_interval(estimate)))
    tree.add(_verdict(found))
    prompted = f"--language LANGUAGE --model {estimate['model']}"
    tree.add(_text(f"the exact text and tokens of a prompt: mitt prompt {prompted}", "dim"))
    for one in found.rows:
        _add_rows(tree, f"{one.total} rows of {one.asset}, selected by {estimate['filter']}", one)
    _add_weights(tree, found.weights)
    for one in found.training:
        _add_rows(tree, f"Trained on {one.total} sequences of {one.asset}", one)
    _add_partitions(tree, found.partitions)
    # A terminal folds long lines itself, and leaves paths whole for who copies them.
    Console(width=VERY_WIDE).print(tree, highlight=False)


def _interval(estimate: Mapping[str, Any]) -> str:
    return (
        f"interval [{estimate['low']}, {estimate['high']}], {estimate['problems']} problems,"
        f" {estimate['rows']} rows"
    )


def _verdict(found: Trace) -> RenderableType:
    if found.differences:
        return _text("made again from its rows: IT DOES NOT AGREE", "bold red")
    return _text("made again from its rows: equal to the last digit", "green")


def _add_rows(tree: Tree, title: str, rows: Rows) -> None:
    shown = f" ({len(rows.shown)} shown; --rows N)" if rows.total > len(rows.shown) else ""
    branch = tree.add(_text(title + shown, "bold"))
    for one in rows.shown:
        _add_row(branch, one)


def _add_row(tree: Tree, row: TracedRow) -> None:
    key = ", ".join(f"{name}={value}" for name, value in row.key.items())
    branch = tree.add(_text(f"{row.partition} {key}  row {row.digest[:DIGITS]}"))
    rest = {name: value for name, value in row.values.items() if name not in row.key}
    said = "  ".join(f"{name}={_short(value)}" for name, value in rest.items())
    branch.add(_text(said, "dim"))
    for parent in row.parents:
        _add_row(branch, parent)
    if row.more:
        branch.add(_text(f"and {row.more} rows more", "dim"))


def _add_weights(tree: Tree, weights: tuple[WeightFile, ...]) -> None:
    branch = tree.add(_text("Weights, as `sha256sum` prints them", "bold"))
    for one in weights:
        place = one.path or f"{one.name} (not on this machine)"
        branch.add(_text(f"{one.sha256}  {place}")).add(_text(f"{one.name} of {one.record}", "dim"))


def _add_partitions(tree: Tree, partitions: tuple[Partition, ...]) -> None:
    branch = tree.add(_text(f"{len(partitions)} partitions, each by its statement", "bold"))
    for one in partitions:
        record = one.record
        now = "" if one.current else "  (made again since)"
        leaf = branch.add(_text(f"{one.name}  statement {record.statement[:DIGITS]}{now}"))
        code = f"code {record.code.get('version', '')[:DIGITS]}"
        commit = str(record.code.get("commit", ""))[:DIGITS]
        changed = " with uncommitted changes" if record.code.get("difference") else ""
        leaf.add(_text(f"{code}, commit {commit or 'unknown'}{changed}", "dim"))
        for name, values in (("seeds", record.seeds), ("settings", record.study_slice)):
            if values:
                said = ", ".join(f"{key}={_short(value)}" for key, value in values.items())
                leaf.add(_text(f"{name}: {said}", "dim"))
        if record.dependencies:
            made_from = ", ".join(
                f"{dependency.asset}[{dependency.partition}]"
                if dependency.partition
                else dependency.asset
                for dependency in record.dependencies
            )
            leaf.add(_text(f"made from {len(record.dependencies)}: {made_from}", "dim"))


def _short(value: Any) -> str:
    if isinstance(value, list) and len(value) > 6:
        return f"[{len(value)} values]"
    text = " ".join(str(value).split())
    return text if len(text) <= WIDE else f"{text[:WIDE]}…"


def _text(text: str, style: str = "") -> RenderableType:
    """Text that is never read as markup and steers no terminal: it may hold a model's words."""
    from rich.text import Text

    from mitt_assets.reporting.wording import plain

    return Text(plain(text), style=style)
