"""The graph of statements: what a record was made from, whatever is current now.

An edge is a dependency as the statement holds it, by the digest of the input's own statement. There
is no limit on how many there are.
"""

from __future__ import annotations

from collections.abc import Iterable

from mitt_assets.lineage.statement import Record
from mitt_assets.lineage.store import Store


def upstream(store: Store, roots: Iterable[Record]) -> list[Record]:
    """The roots and all they were made from, each once, inputs before what reads them.

    Raises IntegrityError if a statement that is named is damaged or gone.
    """
    found: dict[str, Record] = {}
    waiting = [(record, False) for record in reversed(list(roots))]
    while waiting:
        record, expanded = waiting.pop()
        if record.statement in found:
            continue
        if expanded:
            found[record.statement] = record
            continue
        waiting.append((record, True))
        waiting += [(one, False) for one in reversed(inputs_of(store, record))]
    return list(found.values())


def inputs_of(store: Store, record: Record) -> list[Record]:
    """The records a partition was made from, in the statement's order."""
    return [store.statement_record(one.statement) for one in record.dependencies]


def is_current(store: Store, record: Record) -> bool:
    """Whether the partition still holds this content; it may have been made again since."""
    now = store.current(record.asset, record.partition)
    return now is not None and now.content == record.content
