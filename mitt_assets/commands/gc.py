"""``mitt gc``: free what nothing current needs any more."""

from __future__ import annotations

import click

from mitt_assets.commands.options import STUDY

SHOWN = 5


@click.command()
@STUDY
@click.option("--delete", is_flag=True, help="Remove it; without this it is only counted.")
@click.option("--keep-history", is_flag=True, help="Keep whatever was ever committed.")
@click.option("--limit", type=click.IntRange(min=1), help="The home of `mitt run --limit N`.")
def gc(study: str | None, delete: bool, keep_history: bool, limit: int | None) -> None:
    """Free objects that no current partition, and nothing one was made from, needs.

    What is younger than an hour is kept: a run may be about to use it.

    \b
    mitt gc                             how much would be freed
    mitt gc --delete                    free it
    """
    from mitt_assets.home import open_maker
    from mitt_assets.lineage.gc import collect, plan

    found = plan(open_maker(study, limit).store, keep_history=keep_history)
    click.echo(f"{found.sentence()}.")
    broken = found.broken()
    if broken:
        some = ", ".join(f"{place} ({count})" for place, count in list(broken.items())[:SHOWN])
        more = f" and {len(broken) - SHOWN} more" if len(broken) > SHOWN else ""
        click.echo(f"Earlier commits that could not be compared or reproduced then: {some}{more}.")
    if delete:
        click.echo(f"Freed {collect(found) / 1e6:.1f} MB.")
    elif found.objects or found.pointers or found.history:
        click.echo("Nothing was removed; do it with: mitt gc --delete")
