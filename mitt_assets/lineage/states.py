"""States by name: a folder of a home, a signed root, or a point in a partition's history."""

import os
from pathlib import Path

from mitt_assets.errors import IntegrityError, MissingInputError
from mitt_assets.lineage.diff import State
from mitt_assets.lineage.signing import FOLDER, read_state
from mitt_assets.lineage.statement import label
from mitt_assets.lineage.store import Store, open_store

_HEX = set("0123456789abcdef")


def is_home(name: str) -> bool:
    """Whether a name is the folder of a home."""
    # Unlike pathlib's, this leaves the home of an unknown user as it is written.
    return Path(os.path.expanduser(name), "store").is_dir()


def state_of(name: str, home: Path | None) -> State:
    """What is current in the home at a folder, or what was signed under a root of ``home``.

    Raises MissingInputError for a name that is neither, saying what it may be.
    """
    if is_home(name):
        store = open_store(Path(os.path.expanduser(name)))
        return State(name, store, {(one.asset, one.partition): one for one in store.records()})
    if home is not None and name and set(name) <= _HEX:
        return _signed(open_store(home), name)
    raise MissingInputError(
        f"{name} is no home: it has no folder store/. Give the folder of a study's home, such as "
        ".mitt/organism, or the beginning of a statement or content root that was signed."
    )


def point(store: Store, key: tuple[str, str | None], prefix: str) -> State:
    """One commit of a partition, by the beginning of its statement's or content's digest.

    Raises MissingInputError if none, or more than one, begins so.
    """
    commits = {one.statement: one.when for one in store.history(*key)}
    records = [store.statement_record(statement) for statement in commits]
    found = [
        one for one in records if one.statement.startswith(prefix) or one.content.startswith(prefix)
    ]
    if len({one.statement for one in found}) != 1:
        there = ", ".join(f"{one.statement[:12]} ({commits[one.statement]})" for one in records)
        raise MissingInputError(
            f"{len(found)} commits of {label(*key)} begin with {prefix!r}; "
            f"its statements are: {there or 'none'}."
        )
    return State(prefix, store, {key: found[0]})


def _signed(store: Store, prefix: str) -> State:
    """The state that a signature in this store lists under a root that begins so."""
    named = []
    for name in store.storage.pointers(FOLDER):
        try:
            named.append(read_state(store.storage, name))
        except IntegrityError:
            continue
    found = {
        one.root: one
        for one in named
        if one.root.startswith(prefix) or one.content_root.startswith(prefix)
    }
    if len(found) != 1:
        there = ", ".join(sorted({one.root[:12] for one in named}))
        raise MissingInputError(
            f"{len(found)} signed roots of {store.storage.url} begin with {prefix!r}; "
            f"signed are: {there or 'none'}."
        )
    (state,) = found.values()
    return State(
        prefix,
        store,
        {key: store.statement_record(one[1]) for key, one in state.partitions.items()},
    )
