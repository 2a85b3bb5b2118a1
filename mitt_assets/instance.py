"""Where runs and events are kept: in the study's home or, if ``MITT_POSTGRES`` is set, in Postgres.

Without ``DAGSTER_HOME``, ``dagster dev`` and ``dg dev`` keep them in a folder that they delete when
they end. The settings in the repository's root name this class, so that they use the home instead.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dagster as dg

# How an instance is put together has no public name; the exact pin guards against a move.
from dagster._cli.utils import TMP_DAGSTER_HOME_PREFIX
from dagster._core.instance.ref import InstanceRef, configurable_storage_data
from sqlalchemy import make_url
from sqlalchemy.dialects import registry
from sqlalchemy.exc import ArgumentError

from mitt_assets.errors import StorageError

# dagster-postgres comes with psycopg2; from 2.1 on, SQLAlchemy takes postgresql:// for psycopg 3.
# This module is loaded before the storage of any instance that names it.
registry.register("postgresql", "sqlalchemy.dialects.postgresql.psycopg2", "dialect")

POSTGRES = "MITT_POSTGRES"
"""The variable with the address of a database: postgresql://user:password@host/name."""
_OWNER = "mitt/home"
"""In a database that homes could share by mistake: whose runs it keeps."""
_STORAGES = ("storage", "run_storage", "event_log_storage", "schedule_storage")
TICK = 5
"""Seconds between two looks of the daemon at a backfill, which goes one step further at each. It
would be 30: for a chain of eight steps, minutes in which nothing runs."""


def storage_kind() -> str:
    """What the environment asks for: postgres or sqlite.

    Raises StorageError if the one that is asked for is not installed or the address is none.
    """
    address = os.environ.get(POSTGRES)
    if not address:
        return "sqlite"
    _check(address)
    if find_spec("dagster_postgres") is None:
        raise StorageError(
            f"{POSTGRES} is set, but dagster-postgres is not installed:"
            " pip install 'mitt-assets[postgres]'"
        )
    return "postgres"


def _check(address: str) -> None:
    """Refuse what is no address, without a word of it: any part may be one of the password."""
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.get_backend_name() != "postgresql" or "@" in (url.host or ""):
        raise StorageError(
            f"{POSTGRES} is not the address of a Postgres database: write"
            " postgresql://USER:PASSWORD@HOST/NAME, and in PASSWORD %40 for @, %3A for :, %2F for /"
        )


def create_schema(folder: Path) -> None:
    """Create the tables of the instance in ``folder``, one process at a time.

    Raises StorageError if its database cannot be used or keeps the runs of another home.
    """
    with database(folder), dg.DagsterInstance.from_config(str(folder)) as instance:
        instance.get_runs(limit=1)
        instance.event_log_storage.get_concurrency_keys()
        if storage_kind() == "postgres":
            _claim(instance, folder)


def _claim(instance: dg.DagsterInstance, folder: Path) -> None:
    """Write down whose the database is; StorageError if it is another home's."""
    owner = instance.run_storage.get_cursor_values({_OWNER}).get(_OWNER)
    if owner not in (None, str(folder)):
        raise StorageError(
            f"{folder}: the database that {POSTGRES} names keeps the runs of {owner}. Make an"
            " empty one for this home (createdb NAME) and name that."
        )
    instance.run_storage.set_cursor_values({_OWNER: str(folder)})


@contextmanager
def database(folder: Path) -> Iterator[None]:
    """Turn any failure of the instance's database inside into a StorageError with a remedy."""
    from sqlalchemy.exc import SQLAlchemyError

    failures: tuple[type[Exception], ...] = (SQLAlchemyError,)
    remedy = "Free space there, or set MITT_HOME to a folder that can be written, then run again."
    if storage_kind() == "postgres":
        from dagster_postgres.utils import DagsterPostgresException

        failures = (SQLAlchemyError, DagsterPostgresException)
        remedy = f"Is the server that {POSTGRES} names running, and is its address right?"
    try:
        yield
    except failures as error:
        cause = error if isinstance(error, SQLAlchemyError) else error.__cause__ or error
        said = str(getattr(cause, "orig", None) or cause).strip()
        raise StorageError(
            f"{folder}: the instance's database cannot be used: {said}. {remedy}"
        ) from error


class HomeInstance(dg.DagsterInstance):
    """An instance whose files are in the home of the chosen study."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        # Dagster has no setting for it. A daemon has loaded its controller when it makes its
        # instance, and reads the constant when it begins to look; elsewhere nobody reads it.
        if controller := sys.modules.get("dagster._daemon.controller"):
            controller.DEFAULT_DAEMON_INTERVAL_SECONDS = TICK  # type: ignore[attr-defined]

    @classmethod
    def config_schema(cls) -> Mapping[str, Any]:
        """No settings of its own."""
        return {}

    @staticmethod
    def config_defaults(base_dir: str) -> Mapping[str, Any]:
        """What the settings leave open; called by Dagster with the folder it would use.

        Raises StudyError or StorageError if the study or its home cannot be used.
        """
        if Path(base_dir).name.startswith(TMP_DAGSTER_HOME_PREFIX):
            base_dir = _folder_of_chosen_study()
        found = dict(InstanceRef.config_defaults(base_dir))
        if storage_kind() == "postgres":
            # By name, so that the password is in no file and in no process's arguments.
            chosen = {"postgres": {"postgres_url": {"env": POSTGRES}}}
            found.update(zip(_STORAGES, configurable_storage_data(chosen, found), strict=True))
        return found


def _folder_of_chosen_study() -> str:
    """The instance's folder in the study's home, which is made ready."""
    from mitt_assets.home import Home
    from mitt_assets.study_file import load_study

    home = Home(load_study())
    home.prepare()
    if os.environ.get("DAGSTER_IS_DEV_CLI"):  # set by `dagster dev` and `dg dev`
        home.hold()
    print(f"Runs are kept in {home.dagster}, not in the temporary directory.", flush=True)
    return str(home.dagster)
