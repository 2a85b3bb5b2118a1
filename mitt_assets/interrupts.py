"""Ctrl-C: what ends, what waits, and what never sees it.

A terminal sends it to every process of the foreground group. A worker that is still importing would
end with a trace of whatever it was at, for nothing can be caught before its own code runs.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker

_WARNINGS = "PYTHONWARNINGS"
_INTERRUPT = {signal.SIGINT}
_CONNECTIONS = "sqlalchemy.pool.impl.NullPool"
"""The logger of the connections that Dagster opens, one for each thing it reads or writes."""


@contextmanager
def held_back() -> Iterator[None]:
    """Ctrl-C waits until after this; a process begun inside waits until ``let_through``."""
    _start_tracker()  # multiprocessing starts it otherwise, and lets Ctrl-C through as it does
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPT)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def let_through() -> None:
    """In a process begun while Ctrl-C was held back: from here on it is a KeyboardInterrupt."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPT)


def end_at_once() -> None:
    """From here on Ctrl-C and SIGTERM end this process without a word: it is about to end anyway.

    Python's own work at exit would answer them with a trace.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def quiet_connections() -> None:
    """An interrupt upon a database connection's end is not logged as that connection's failure.

    SQLAlchemy raises it again all the same; other failures are still logged.
    """
    logging.getLogger(_CONNECTIONS).addFilter(_is_failure)


def _is_failure(record: logging.LogRecord) -> bool:
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or issubclass(kind, Exception)


def _start_tracker() -> None:
    """Start multiprocessing's tracker, which removes what killed workers leave behind.

    It would warn of each removal on the terminal, where nobody can do anything about it.
    """
    before = os.environ.get(_WARNINGS)
    quiet = "ignore:resource_tracker:UserWarning"
    os.environ[_WARNINGS] = f"{before},{quiet}" if before else quiet
    try:
        resource_tracker.ensure_running()
    finally:
        del os.environ[_WARNINGS]
        if before is not None:
            os.environ[_WARNINGS] = before
