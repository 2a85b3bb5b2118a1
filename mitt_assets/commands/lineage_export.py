"""``mitt lineage export``: the records in the formats other tools read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import click

from mitt_assets.commands.options import STUDY, selection_options

if TYPE_CHECKING:
    from mitt_assets.lineage.statement import Record
    from mitt_assets.materialise import Maker
    from mitt_assets.runner.plan import Selection

LISTING = ".mitt-export.json"
"""In a folder this command wrote: what it wrote, so that it never replaces anything else."""
DEFAULTS = {
    "openlineage": "openlineage.ndjson",
    "ro-crate": "ro-crate",
    "cyclonedx": "cyclonedx",
}


@click.command()
@STUDY
@selection_options
@click.option(
    "--format",
    "format_",
    type=click.Choice(list(DEFAULTS)),
    required=True,
    help="Events for catalogues, a crate for archives, bills of materials of adapters.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="File (openlineage) or folder.  [default: lineage/ in the study's home]",
)
@click.option("--data", is_flag=True, help="ro-crate: copy files and statements into it.")
@click.option("--limit", type=click.IntRange(min=1), help="From the home of `mitt run --limit N`.")
def export(
    study: str | None,
    selection: Selection,
    format_: str,
    out: Path | None,
    data: bool,
    limit: int | None,
) -> None:
    """Write what is recorded of the selected partitions for other tools, and print where.

    The same store gives the same bytes. A file or folder that this command did not write is left
    alone.

    \b
    mitt lineage export --format openlineage              NDJSON for a catalogue
    mitt lineage export --format ro-crate --data --out crate
    mitt lineage export --format cyclonedx --model llama  an ML-BOM per adapter
    """
    from mitt_assets.home import Home, open_maker

    if data and format_ != "ro-crate":
        raise click.UsageError("--data goes with --format ro-crate only.")
    maker = open_maker(study, limit)
    records = _stored(maker, selection)
    target = out or Home(maker.graph.study).path / "lineage" / DEFAULTS[format_]
    if format_ == "openlineage":
        _write_events(maker, records, target)
    elif format_ == "ro-crate":
        _write_crate(maker, records, target, data)
    else:
        _write_bills(maker, records, target)
    click.echo(str(target))


def _stored(maker: Maker, selection: Selection) -> list[Record]:
    """The current records of the selection, in dependency order.

    Raises StudyError for a name the study does not have, MissingInputError if nothing is stored.
    """
    from mitt_assets.errors import MissingInputError
    from mitt_assets.runner.plan import asked, select

    tasks = [task for task in select(maker.graph, selection) if asked(maker.graph, task, selection)]
    found = [record for task in tasks if (record := maker.store.current(*task)) is not None]
    if not found:
        raise MissingInputError("Nothing of the selection is stored; make it with: mitt run")
    return found


def _write_events(maker: Maker, records: list[Record], target: Path) -> None:
    from mitt_assets.errors import StorageError
    from mitt_assets.lineage.openlineage import Export, lines
    from mitt_assets.lineage.statement import BUILDER
    from resources.files import make_folder, told, write_atomic

    with told(target, "write the events"):
        ours = not target.exists() or (target.is_file() and _mentions(target, BUILDER))
        if not ours:
            raise StorageError(f"{target} is not an export of ours; give another --out.")
        make_folder(target.parent)
        events = Export(maker.graph, maker.store, maker.gate.verdict).events(records)
        write_atomic(target, lines(events))


def _mentions(file: Path, text: str) -> bool:
    """Whether the first line of a file, or of an empty file nothing, holds a text."""
    with file.open("rb") as opened:
        first = opened.readline()
    return not first or text.encode() in first


def _write_crate(maker: Maker, records: list[Record], target: Path, data: bool) -> None:
    from mitt_assets.lineage.ro_crate import METADATA, crate

    made = crate(maker.graph, maker.store, records, data=data)
    _write_folder(maker, target, {METADATA: made.metadata}, made.data)


def _write_bills(maker: Maker, records: list[Record], target: Path) -> None:
    from mitt_assets.errors import MissingInputError
    from mitt_assets.lineage.cyclonedx import bills

    found = bills(maker.graph, maker.store, records)
    if not found:
        raise MissingInputError(
            "There is no adapter in the selection; a bill of materials is of an adapter."
        )
    _write_folder(maker, target, found, {})


def _write_folder(
    maker: Maker, folder: Path, files: Mapping[str, bytes], objects: Mapping[str, str]
) -> None:
    """Write files and copies of objects, and remove what an earlier export left behind."""
    from resources.files import make_folder, told, write_atomic

    with told(folder, "write the export"):
        before = _written_before(folder)
        make_folder(folder)
        # What is to be written is ours from here on, even if this is killed half way.
        listed = sorted({*before, *files, *objects})
        write_atomic(folder / LISTING, _listing(listed))
        for name in before - {*files, *objects}:
            (folder / name).unlink(missing_ok=True)
        for name, digest in objects.items():
            write_atomic(folder / name, maker.store.storage.get(digest))
        for name, text in files.items():
            write_atomic(folder / name, text)
        write_atomic(folder / LISTING, _listing(sorted({*files, *objects})))


def _listing(names: list[str]) -> bytes:
    return json.dumps(names, indent=1).encode() + b"\n"


def _written_before(folder: Path) -> set[str]:
    """What an earlier export wrote here. Raises StorageError for a folder that is not ours."""
    from mitt_assets.errors import StorageError

    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return set()
    listing = folder / LISTING
    if not listing.is_file():
        raise StorageError(f"{folder} holds something that is not an export; give another --out.")
    names = json.loads(listing.read_bytes())
    plain = [PurePosixPath(name) for name in names]
    if any(path.is_absolute() or ".." in path.parts for path in plain):
        raise StorageError(f"{listing} was altered; remove {folder} and export again.")
    return set(names)
