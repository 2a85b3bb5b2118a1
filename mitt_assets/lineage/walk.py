"""The graph of statements: what a record was made from, whatever is current now.

An edge is a dependency as the statement holds it, by the digest of the input's own statement. There
is no limit on how many there are.
"""

from __future__ import annotations

from collections.abc import Iterable

from mitt_assets.errors import IntegrityError
from mitt_assets.lineage.statement import Dependency, Record, label
from mitt_assets.lineage.store import Store


class LostStatementError(IntegrityError):
    """A statement that another one names is damaged or gone."""

    def __init__(self, lost: Dependency, reader: Record, problem: IntegrityError) -> None:
        self.lost = lost
        place = label(lost.asset, lost.partition)
        read_by = label(reader.asset, reader.partition)
        super().__init__(
            f"The statement of {place}, which {read_by} was made from, cannot be read: {problem}"
        )


def upstream(store: Store, roots: Iterable[Record]) -> list[Record]:
    """The roots and all they were made from, each once, inputs before what reads them.

    Raises LostStatementError if a statement that is named is damaged or gone.
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
    """The records a partition was made from, in the statement's order.

    Raises LostStatementError if one of them is damaged or gone.
    """
    found = []
    for one in record.dependencies:
        try:
            found.append(store.statement_record(one.statement))
        except IntegrityError as problem:
            raise LostStatementError(one, record, problem) from problem
    return found


def is_current(store: Store, record: Record) -> bool:
    """Whether the partition still holds this content; it may have been made again since."""
    now = store.current(record.asset, record.partition)
    return now is not None and now.content == record.content
