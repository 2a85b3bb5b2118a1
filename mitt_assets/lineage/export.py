"""Tables as plain files for other programs, with a manifest that leads back to the statements."""

import json
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal, get_args

from mitt_assets.errors import MissingInputError, StorageError
from mitt_assets.lineage.links import FOLDER, tree_path
from mitt_assets.lineage.statement import Record
from mitt_assets.lineage.store import Store
from resources.files import told, write_atomic

if TYPE_CHECKING:
    import polars as pl

Format = Literal["parquet", "csv", "jsonl"]
MANIFEST = "manifest.json"


def export(
    store: Store,
    out: Path,
    *,
    assets: list[str] | None = None,
    format: Format = "parquet",
    refusal: Callable[[Record], str | None] = lambda record: None,
) -> list[Path]:
    """Write every current table (of these assets) to `out/tables/<asset>/<model>/<language>.<ext>`.

    Each file is whole or absent; `out/manifest.json` names the content and statement digest of
    each, and what ``refusal`` says of it. In csv, lists are JSON text; in csv and jsonl, bytes are
    hex, and JSON has null for what is not a finite number. Returns the tables' paths.

    A folder holds one export: tables that the manifest there names and this export does not write
    are removed. Raises MissingInputError if there is no table, or for an asset that holds nothing,
    and StorageError if the manifest there is of something else; then nothing is written.
    """
    tables = list(_tables(_chosen(store, assets)))
    if not tables:
        some = f"table of {', '.join(assets)}" if assets else "table"
        raise MissingInputError(
            f"{store.storage.url} holds no {some}. Make what is missing: mitt run"
        )
    earlier = _earlier(out / MANIFEST)
    written: dict[str, dict[str, str | None]] = {}
    for record, name in tables:
        path = (Path(FOLDER) / tree_path(record, name)).with_suffix(f".{format}")
        data = _converted(store, record, name, format)
        with told(out, f"write {path}"):
            write_atomic(out / path, data)
        written[path.as_posix()] = {**_origin(record), "refused": refusal(record)}
    with told(out, "remove an earlier export"):
        for left in earlier - written.keys():
            (out / left).unlink(missing_ok=True)
    with told(out, f"write {MANIFEST}"):
        write_atomic(out / MANIFEST, json.dumps(written, indent=2, sort_keys=True).encode())
    return [out / path for path in written]


def _earlier(manifest: Path) -> set[str]:
    """The tables that an earlier export's manifest names, none if there is no manifest."""
    if not manifest.exists():
        return set()
    with told(manifest, "read an earlier export"):
        text = manifest.read_bytes()
    try:
        named = json.loads(text)
    except ValueError:
        named = None
    if not isinstance(named, dict) or not all(map(_is_table, named)):
        raise StorageError(f"{manifest} is not of an export: give a folder of its own.")
    return set(named)


def _is_table(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return parts[:1] == (FOLDER,) and ".." not in parts and path.endswith(get_args(Format))


def _chosen(store: Store, assets: list[str] | None) -> list[Record]:
    records = store.records()
    known = {record.asset for record in records}
    for asset in assets or ():
        if asset not in known:
            raise MissingInputError(
                f"Nothing of {asset!r} was made yet; there is {', '.join(sorted(known)) or 'none'}."
            )
    return [record for record in records if assets is None or record.asset in assets]


def _tables(records: Iterable[Record]) -> Iterator[tuple[Record, str]]:
    for record in records:
        for name in sorted(record.files):
            if name.endswith(".parquet"):
                yield record, name


def _origin(record: Record) -> dict[str, str | None]:
    return {
        "asset": record.asset,
        "partition": record.partition,
        "content": record.content,
        "statement": record.statement,
    }


def _converted(store: Store, record: Record, name: str, format: Format) -> bytes:
    if format == "parquet":
        return store.read(record, name)
    frame = _bytes_as_hex(store.table(record, name))
    buffer = BytesIO()
    if format == "csv":
        _nested_as_json(frame).write_csv(buffer)
    else:
        frame.write_ndjson(buffer)
    return buffer.getvalue()


def _bytes_as_hex(frame: "pl.DataFrame") -> "pl.DataFrame":
    import polars as pl

    return frame.with_columns(pl.col(pl.Binary).bin.encode("hex"))


def _nested_as_json(frame: "pl.DataFrame") -> "pl.DataFrame":
    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    return frame.with_columns(_json(name) for name in nested)


def _json(name: str) -> "pl.Expr":
    """The column as JSON texts: encoded as `{"v":…}`, for only structs can be, and unwrapped."""
    import polars as pl

    column = pl.col(name)
    wrapped = pl.struct(column.alias("v")).struct.json_encode()
    text = wrapped.str.slice(len('{"v":')).str.strip_suffix("}")
    return pl.when(column.is_not_null()).then(text).alias(name)
