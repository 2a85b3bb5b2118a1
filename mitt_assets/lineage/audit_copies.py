"""The copies for people, `report/` and `tables/`: whether they show what the records say."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from mitt_assets.lineage.audit_bytes import hash_files
from mitt_assets.lineage.audit_records import Key, Records
from mitt_assets.lineage.findings import Finding
from mitt_assets.lineage.links import FOLDER, tree_path
from mitt_assets.lineage.statement import Record
from resources.files import object_path

REPORT_FOLDER, REPORT_KEY = "report", ("reports/study", None)
NOT_OF_THE_REPORT = ("checks.html",)
"""What other commands write beside the report."""
WRITE = "Write the copies again: mitt run"


def check_copies(home: Path, records: Records) -> Iterator[Finding]:
    """Copies that differ from the record, are not in it, or lead elsewhere; absent ones may be."""
    yield from _report(home, records)
    yield from _links(home, records.current)


def _report(home: Path, records: Records) -> Iterator[Finding]:
    current = records.current.get(REPORT_KEY)
    former = [
        records.statements[one.statement].files
        for one in records.history.get(REPORT_KEY, [])
        if one.statement in records.statements
    ]
    files = dict(current.files) if current else {}
    paths = [one for one in sorted((home / REPORT_FOLDER).rglob("*")) if one.is_file()]
    for path, found in zip(paths, hash_files(paths), strict=True):
        name = path.relative_to(home / REPORT_FOLDER).as_posix()
        place = f"{REPORT_FOLDER}/{name}"
        if name in NOT_OF_THE_REPORT or found == files.get(name, ""):
            continue
        if found in {one.get(name) for one in former}:
            yield Finding("copy", place, "it is of an earlier report", WRITE)
        elif name in files:
            yield Finding("copy", place, f"its bytes are {found}, recorded {files[name]}", WRITE)
        else:
            yield Finding("copy", place, "no file of the recorded report", "Move it away.")


def _links(home: Path, current: Mapping[Key, Record]) -> Iterator[Finding]:
    tree, objects = home / FOLDER, home / "store"
    expected = {
        tree_path(record, name).as_posix(): objects / object_path("objects", digest)
        for record in current.values()
        for name, digest in record.files.items()
    }
    for path in sorted(tree.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            continue
        name = path.relative_to(tree).as_posix()
        place = f"{FOLDER}/{name}"
        if not path.is_symlink():
            yield Finding("copy", place, "a file in a tree of links", "Move it away.")
        elif name not in expected:
            yield Finding("copy", place, "a link to nothing that is current", WRITE)
        elif path.resolve() != expected[name].resolve():
            found = f"the link leads to {os.readlink(path)}, not to {expected[name].name}"
            yield Finding("copy", place, found, WRITE)
