"""``mitt export``: tables as plain files for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from mitt_assets.commands.options import STUDY

if TYPE_CHECKING:
    from mitt_assets.lineage.statement import Record
    from mitt_assets.materialise import Maker


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@STUDY
@click.option("--select", multiple=True, help="An asset, its last part, or a prefix (base).")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["parquet", "csv", "jsonl"]),
    default="parquet",
    show_default=True,
)
@click.option("--limit", type=click.IntRange(min=1), help="From the home of `mitt run --limit N`.")
def export(
    folder: Path,
    study: str | None,
    select: tuple[str, ...],
    format_: Literal["parquet", "csv", "jsonl"],
    limit: int | None,
) -> None:
    """Write tables to FOLDER/tables/<asset>/<model>/<language>, with a manifest of their digests.

    Tables whose checks failed, or that rest on such, are written too; the manifest says so. FOLDER
    holds one export: tables that its manifest names from an earlier one, and this one does not
    write, are removed. Nothing else in it is touched.

    \b
    mitt export out                                      every table
    mitt export out --select base --format csv           the base chain
    mitt export out --select probes --format jsonl       the probes of every variant
    """
    from mitt_assets.home import open_maker
    from mitt_assets.lineage.export import export as write

    maker = open_maker(study, limit)
    assets = _made(maker, select) if select else None
    refused: list[str] = []

    def refusal(record: Record) -> str | None:
        said = maker.gate.refusal(record)
        refused.extend([said] if said else [])
        return said

    written = write(maker.store, folder, assets=assets, format=format_, refusal=refusal)
    for one in refused:
        click.secho(f"Refused by its checks: {one}", fg="red", err=True)
    click.echo(f"{len(written)} tables in {folder}, described in {folder / 'manifest.json'}")


def _made(maker: Maker, names: tuple[str, ...]) -> list[str]:
    """The chosen assets of which something was made; all of them if nothing was."""
    from mitt_assets.runner.plan import Selection, asked, select

    selection = Selection(assets=names)
    select(maker.graph, selection)  # refuses a name the study does not have
    tasks = [task for task in maker.graph.all_partitions if asked(maker.graph, task, selection)]
    made = [task for task in tasks if maker.store.current(*task) is not None]
    return sorted({asset for asset, _ in made or tasks})
