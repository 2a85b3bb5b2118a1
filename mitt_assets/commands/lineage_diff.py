"""``mitt lineage diff``: what differs between two states, where it began, what follows."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from mitt_assets.commands.options import STUDY, exits_with_2

if TYPE_CHECKING:
    from mitt_assets.lineage.diff import Change, Diff, State

SHOWN = 8
"""Names of one kind that are told; ``--json`` has them all."""
WIDTH = 60


@click.command()
@click.argument("a")
@click.argument("b")
@STUDY
@click.option("--asset", help="Compare two commits of this asset; A and B begin their digests.")
@click.option("--partition", help="Which of its partitions, such as 'tl|llama'.")
@click.option("--json", "as_json", is_flag=True, help="Everything, every field and name.")
@click.option("--limit", type=click.IntRange(min=1), help="The home of `mitt run --limit N`.")
@exits_with_2
def diff(
    a: str,
    b: str,
    study: str | None,
    asset: str | None,
    partition: str | None,
    as_json: bool,
    limit: int | None,
) -> None:
    """Compare A with B: two homes, two signed roots, or two commits of a partition.

    Of all that differs, the partitions that differ though their inputs do not are the causes;
    of each it is told which field changed and what follows. Exits with 0 if the bytes are equal,
    1 if they differ, 2 if they could not be compared.

    \b
    mitt lineage diff .mitt/organism ../colleague/.mitt/organism
    mitt lineage diff 7d57fbd2 .mitt/organism              what was signed, and what is now
    mitt lineage diff 3826046f 51c0e1d2 --asset base/traces --partition 'de|llama'
    """
    from mitt_assets.lineage.diff import compare

    if partition and not asset:
        raise click.UsageError("--partition says which of an asset: give --asset too")
    first, second = _sides(a, b, study, (asset, partition), limit)
    found = compare(first, second)
    own = _history_fields(first, second) if asset else []
    if as_json:
        click.echo(json.dumps(_plain(found, first, second, own), indent=2, ensure_ascii=False))
    else:
        _print(found, own)
    sys.exit(0 if found.equal else 1)


def _sides(
    a: str, b: str, study: str | None, key: tuple[str | None, str | None], limit: int | None
) -> tuple[State, State]:
    """Both states; the study is opened only if a name asks for its home."""
    from mitt_assets.home import Home, limited
    from mitt_assets.lineage.states import is_home, point, state_of
    from mitt_assets.study_file import load_study

    if is_home(a) and is_home(b) and key[0] is None:
        return state_of(a, None), state_of(b, None)
    home = Home(limited(load_study(study), limit))
    if key[0] is None:
        return state_of(a, home.path), state_of(b, home.path)
    store = home.store()
    return point(store, (key[0], key[1]), a), point(store, (key[0], key[1]), b)


def _history_fields(first: State, second: State) -> list[Change]:
    """Every field that differs between two commits of one partition."""
    from mitt_assets.lineage.diff import changes

    ((key, was),) = first.records.items()
    return changes(was, second.records[key])


def _plain(found: Diff, first: State, second: State, own: list[Change]) -> dict[str, Any]:
    from mitt_assets.lineage.diff import changes
    from mitt_assets.lineage.statement import label

    return {
        "equal": found.equal,
        "only_a": [label(*key) for key in found.only_a],
        "only_b": [label(*key) for key in found.only_b],
        "differing": [
            {
                "partition": label(*key),
                "content": [first.records[key].content, second.records[key].content],
                "fields": [asdict(one) for one in changes(first.records[key], second.records[key])],
                "rows": {name: asdict(rows) for name, rows in found.rows.get(key, {}).items()},
            }
            for key in found.differing
        ],
        "restated": [label(*key) for key in found.restated],
        "causes": [
            {
                "partition": label(*one.key),
                "fields": [asdict(change) for change in one.changes],
                "follows": [label(*key) for key in one.follows],
            }
            for one in found.causes
        ],
        "fields": [asdict(one) for one in own],
    }


def _print(found: Diff, own: list[Change]) -> None:
    from mitt_assets.lineage.statement import label

    for name, keys in (("only in A", found.only_a), ("only in B", found.only_b)):
        if keys:
            click.echo(f"{name}: {_some(label(*key) for key in keys)}")
    for change in own:
        click.echo(_change(change))
    if not own:
        _print_causes(found)
    for key, tables in found.rows.items():
        for name, rows in tables.items():
            columns = f" in {', '.join(rows.columns)}" if rows.columns else ""
            click.echo(
                f"{label(*key)} {name}: {rows.added} rows added, {rows.removed} removed, "
                f"{rows.changed} changed{columns}"
            )
    restated = f", {len(found.restated)} have equal bytes made differently" * bool(found.restated)
    click.echo(f"{len(found.differing)} partitions of both differ{restated}")


def _print_causes(found: Diff) -> None:
    from mitt_assets.lineage.statement import label

    for cause in found.causes:
        follows = _some(label(*key) for key in cause.follows)
        click.secho(f"{label(*cause.key)} differs though its inputs do not", bold=True)
        for change in cause.changes:
            click.echo(_change(change))
        if not cause.changes:
            click.echo("  nothing recorded differs: the step gave something else for the same")
        click.echo(f"  {len(cause.follows)} follow from it{': ' * bool(follows)}{follows}")


def _change(change: Change) -> str:
    was, now = (_short(one) for one in (change.was, change.now))
    return f"  {change.kind}: {change.name} {was} → {now}"


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more


def _short(text: str | None) -> str:
    if text is None:
        return "nothing"
    plain = text.strip('"')
    if len(plain) == 64 and not plain.strip("0123456789abcdef"):
        return plain[:12]
    return text if len(text) <= WIDTH else f"{text[:WIDTH]}…"
