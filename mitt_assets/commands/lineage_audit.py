"""``mitt lineage audit``: is everything what it was?"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mitt_assets.commands.options import STUDY, exits_with_2

if TYPE_CHECKING:
    from rich.console import Console

    from mitt_assets.lineage.audit import Audit
    from mitt_assets.lineage.findings import Finding

SHOWN = 5
"""Places named of equal findings; ``--json`` has them all."""


@click.command()
@STUDY
@click.option(
    "--key",
    "key_file",
    type=click.Path(path_type=Path),
    help="A public key (PEM): say what is not as this key signed it.",
)
@click.option("--json", "as_json", is_flag=True, help="Every finding, the counts and both roots.")
@click.option("--limit", type=click.IntRange(min=1), help="The home of `mitt run --limit N`.")
@exits_with_2
def audit(study: str | None, key_file: Path | None, as_json: bool, limit: int | None) -> None:
    """Hash everything again, follow every record, and make every report number again.

    Exits with 0 if all is well, 1 if there are findings, 2 if it could not run. Without a key,
    one thing is not found: a store whose records were all made anew, in order. Sign what you
    publish, or write its statement root down elsewhere.

    \b
    mitt lineage audit                            bytes, records, times, copies, numbers, weights
    mitt lineage audit --key me.pub.pem           and whether it is what this key signed
    mitt lineage audit --json | jq .findings
    """
    found = _audit(study, key_file, limit, quiet=as_json)
    if as_json:
        click.echo(json.dumps(_plain(found), indent=2, ensure_ascii=False))
    else:
        _print(found, signed=key_file is not None)
    sys.exit(1 if found.findings else 0)


def _audit(study: str | None, key_file: Path | None, limit: int | None, *, quiet: bool) -> Audit:
    from rich.console import Console
    from rich.markup import escape

    from mitt_assets.home import Home, open_maker
    from mitt_assets.lineage.audit import audit as run
    from mitt_assets.lineage.signing import public_key
    from mitt_assets.study_knowledge import MakersKnowledge

    key = public_key(key_file) if key_file else None
    maker = open_maker(study, limit)
    home = Home(maker.graph.study).path
    console = Console(stderr=True, quiet=quiet)
    with console.status("reading") as status:
        return run(home, MakersKnowledge(maker), key, lambda doing: status.update(escape(doing)))


def _plain(found: Audit) -> dict[str, Any]:
    return {
        "content_root": found.content_root,
        "statement_root": found.statement_root,
        "counts": dict(found.counts),
        "seconds": round(found.seconds, 3),
        "findings": [{**asdict(one), "severity": one.severity} for one in found.findings],
    }


def _print(found: Audit, *, signed: bool) -> None:
    """A row per kind and what was found, equal ones together, then what was looked at."""
    from rich.console import Console

    console = Console()
    if found.findings:
        console.print(_table(found))
        _print_remedies(console, found)
    counts = found.counts
    looked = (
        f"{counts['objects']} objects ({counts['bytes'] / 1e6:.1f} MB) hashed, "
        f"{counts['statements']} statements and {counts['edges']} edges followed, "
        f"{counts['partitions']} partitions current, {counts['not made']} not made, "
        f"in {found.seconds:.1f} s"
    )
    _say(console, looked, "dim")
    if counts["being written"]:
        _say(console, f"{counts['being written']} files younger than an hour, not judged", "dim")
    _say(console, f"content root   {found.content_root or 'not all can be read'}", "")
    _say(console, f"statement root {found.statement_root or 'not all can be read'}", "")
    if not found.findings:
        said = "everything is what it was"
        _say(console, f"No findings: {said}{' and was signed' if signed else ''}.", "green")


def _table(found: Audit) -> Any:
    from rich.table import Table
    from rich.text import Text

    from mitt_assets.lineage.findings import KINDS

    together: dict[tuple[str, str], list[str]] = {}
    for one in found.findings:
        together.setdefault((one.kind, one.found), []).append(one.place)
    order: list[str] = list(KINDS)
    table = Table("kind", "where", "what was found", box=None, pad_edge=False)
    for (kind, what), places in sorted(together.items(), key=lambda item: order.index(item[0][0])):
        some = [*places[:SHOWN], *([f"and {len(places) - SHOWN} more"] * (len(places) > SHOWN))]
        color = "red" if kind in _integrity() else "yellow"
        table.add_row(Text(kind, style=color), Text("\n".join(some)), Text(what))
    return table


def _print_remedies(console: Console, found: Audit) -> None:
    together: dict[str, list[Finding]] = {}
    for one in found.findings:
        together.setdefault(one.remedy, []).append(one)
    for remedy, some in together.items():
        kinds = ", ".join(dict.fromkeys(one.kind for one in some))
        _say(console, f"{kinds}: {remedy}", "")


def _integrity() -> Mapping[Any, str]:
    from mitt_assets.lineage.findings import INTEGRITY

    return INTEGRITY


def _say(console: Console, text: str, style: str) -> None:
    """One line, never read as markup: it may hold what somebody wrote into a store."""
    from rich.text import Text

    console.print(Text(text, style=style), highlight=False, soft_wrap=True)
