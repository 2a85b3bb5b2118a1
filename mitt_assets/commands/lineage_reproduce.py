"""``mitt lineage reproduce``: make a partition again from its record, and compare."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from mitt_assets.commands.options import STUDY, exits_with_2
from mitt_assets.threads import set_threads

if TYPE_CHECKING:
    from mitt_assets.lineage.reproduce import Again
    from mitt_assets.lineage.statement import Record
    from mitt_assets.lineage.store import Store
    from mitt_assets.materialise import Made, Maker

SHOWN = 20
"""Differences that are told one by one."""


@click.command()
@click.argument("asset")
@click.argument("partition", required=False)
@STUDY
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="An empty folder for the files of both, in recorded/ and again/.",
)
@click.option("--limit", type=click.IntRange(min=1), help="The home of `mitt run --limit N`.")
@exits_with_2
def reproduce(
    asset: str, partition: str | None, study: str | None, keep: Path | None, limit: int | None
) -> None:
    """Make a partition again from its recorded inputs and values, beside the home, and compare.

    Inputs are those of the statement, whatever is current now; the code is today's. PARTITION is
    written as Dagster writes it; the bar means a pipe to a shell, so put it in quotes. Exits with
    0 if all files are equal, 1 if one differs, 2 if it could not be made.

    \b
    mitt lineage reproduce base/windows 'tl|llama'
    mitt lineage reproduce translations tl
    mitt lineage reproduce reports/scaling
    """
    sys.exit(0 if _reproduce(asset, partition, study, keep, limit) else 1)


def _reproduce(
    asset: str, partition: str | None, study: str | None, keep: Path | None, limit: int | None
) -> bool:
    from mitt_assets.assets.chain import build_graph
    from mitt_assets.home import open_maker
    from mitt_assets.lineage.reproduce import again

    maker = open_maker(study, limit)
    record = _recorded(maker, asset, partition)
    _refuse_used(keep)
    _same_threads(record)
    with TemporaryDirectory(prefix="mitt-reproduce-") as folder:
        making = again(maker.graph.study, build_graph, maker.store, record, Path(folder))
        _announce(maker, record, making)
        made = _make(making, Path(folder))
        equal = _report(maker, making, record, made)
        if keep is not None:
            _keep(maker.store, record, keep / "recorded")
            _keep(making.store, made.record, keep / "again")
            click.echo(f"The files of both are in {keep}.")
    return equal


def _recorded(maker: Maker, asset: str, partition: str | None) -> Record:
    """The current record.

    Raises StudyError for no such partition, MissingInputError for one that was never made.
    """
    maker.graph.require(asset, partition)
    return maker.required(asset, partition)


def _refuse_used(keep: Path | None) -> None:
    from mitt_assets.errors import StorageError

    if keep is not None and keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise StorageError(f"{keep} is not an empty folder; give another --keep.")


def _same_threads(record: Record) -> None:
    """As many threads as then, one where it is not recorded: sums of floats depend on it."""
    device = record.parameters.get("engine", {}).get("device", {})
    set_threads(int(device.get("threads", 1)))


def _announce(maker: Maker, record: Record, making: Again) -> None:
    """Say what is made again, and everything in which it will not be what it was."""
    from mitt_assets.lineage.reproduce import environment_differences
    from mitt_assets.lineage.staleness import study_differences
    from mitt_assets.lineage.statement import label

    place = (record.asset, record.partition)
    click.echo(f"{label(*place)}, made {record.ended}, statement {record.statement[:12]}")
    today = maker.expected(*place).study_slice
    left = making.differences()
    kept = {(one.kind, one.field) for one in left}
    back = [
        one
        for one in study_differences(record.study_slice, today)
        if (one.kind, one.field) not in kept
    ]
    _tell("Put back to what is recorded:", [one.sentence() for one in back])
    _tell("Differs from what is recorded:", [one.sentence() for one in left])
    _tell(
        "The machine differs:",
        [f"{one.field}: {one.was} → {one.now}" for one in environment_differences(record)],
    )


def _tell(head: str, sentences: list[str]) -> None:
    if sentences:
        click.echo(head)
        for sentence in sentences[:SHOWN]:
            click.echo(f"  {sentence}")
        if len(sentences) > SHOWN:
            click.echo(f"  and {len(sentences) - SHOWN} more")


def _make(making: Again, folder: Path) -> Made:
    """Make it, with gateways whose caches are in the scratch folder too."""
    from mitt_assets.errors import MittError
    from resources.services import StudyServices

    services = StudyServices(making.graph.study, folder / "gateways")
    try:
        return making.run(services)
    except (KeyboardInterrupt, MittError):
        raise
    except Exception as error:  # whatever the step raises: it could not be made
        raise MittError(f"the step failed: {type(error).__name__}: {error}") from error
    finally:
        services.close()


def _report(maker: Maker, making: Again, record: Record, made: Made) -> bool:
    """Say how the files compare; whether all are equal."""
    from mitt_assets.lineage.reproduce import compare
    from mitt_assets.lineage.staleness import study_differences

    click.echo(f"Made again in {made.seconds:.1f} s.")
    files = compare(making.table, maker.store, record, making.store, made.record)
    for one in files:
        click.secho(f"  {one.name}: {one.text}", fg=None if one.equal else "red")
    equal = all(one.equal for one in files)
    if not equal:
        changed = study_differences(record.parameters, made.record.parameters)
        changed += study_differences(record.materials, made.record.materials)
        _tell(
            "What it was computed with differs:",
            [f"{one.field}: {one.was} → {one.now}" for one in changed],
        )
    click.secho("Equal." if equal else "Different.", bold=True)
    return equal


def _keep(store: Store, record: Record, folder: Path) -> None:
    """The files of a record, and its statement, as plain files."""
    from resources.files import make_folder, told, write_atomic

    with told(folder, "keep the files"):
        for name in record.files:
            make_folder((folder / name).parent)
            write_atomic(folder / name, store.read(record, name))
        write_atomic(folder / "statement.json", store.storage.get(record.statement))
