"""A process of its own for a library that takes a device, speaks while it works, and may die.

Parent and worker exchange lines of JSON over a pair of sockets: plain data, nothing that runs when
it is read. What the library prints goes to a file whose end is told when the worker is lost.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

Message = dict[str, Any]

_GRACE = 20.0
"""Seconds a worker gets to free its device after it was asked to end."""
_TOLD = 3
"""Last lines of a lost worker's output that are told."""


class WorkerLostError(Exception):
    """The worker died, fell silent or spoke nonsense; what it was asked may be asked again."""


class WorkerProcess:
    """``module`` run by this Python, told its end of the socket as its only argument."""

    def __init__(self, module: str, environment: Mapping[str, str]) -> None:
        """Start it, with ``environment`` over the own one; a session apart from Ctrl-C."""
        ours, theirs = socket.socketpair()
        self._output = tempfile.TemporaryFile()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", module, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment, "PYTHONPATH": _import_path()},
                start_new_session=True,
            )
        self._socket = ours
        self._lines = ours.makefile("rb")

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def ask(
        self,
        message: Message,
        silence: float,
        heard: Callable[[Message], None] = lambda message: None,
    ) -> Message:
        """The answer to ``message``; ``heard`` is told every sign of progress before it.

        Raises WorkerLostError if it dies or says nothing for ``silence`` seconds, and ends it
        then, as it does when the wait itself is interrupted: an answer nobody waits for would be
        taken for the next one.
        """
        try:
            self._socket.settimeout(silence)
            self._socket.sendall(json.dumps(message).encode() + b"\n")
            while "progress" in (answer := self._hear()):
                heard(answer)
        except TimeoutError as problem:
            raise self._lost(f"said nothing for {silence:.0f} s") from problem
        except (OSError, ValueError) as problem:
            raise self._lost(str(problem)) from problem
        except BaseException:
            self.kill()
            raise
        return answer

    def end(self) -> None:
        """Let it free its device and end; end it if it does not."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE)
        self.kill()

    def kill(self) -> None:
        """End it and whatever it started, now."""
        if self._socket.fileno() < 0:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._lines.close()
        self._socket.close()
        self._output.close()

    def _hear(self) -> Message:
        line = self._lines.readline()
        if not line.endswith(b"\n"):
            raise ConnectionError("closed the connection")
        message = json.loads(line)
        if not isinstance(message, dict):
            raise ValueError("sent something else than a message")
        return message

    def _lost(self, what: str) -> WorkerLostError:
        """What happened, its exit code and the last it printed; it is ended for good."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        code, said = self._process.poll(), self._last_lines()
        self.kill()
        ended = f"died with exit code {code}" if code is not None else what
        return WorkerLostError(f"{ended}{f'; it last printed: {said}' if said else ''}")

    def _last_lines(self) -> str:
        self._output.seek(0)
        lines = self._output.read().decode("utf-8", "replace").split("\n")
        return " | ".join([line.strip() for line in lines if line.strip()][-_TOLD:])[-600:]


def _import_path() -> str:
    """Where this package lies, before what the environment names: the worker runs the same code."""
    root = str(Path(__file__).parents[2])
    return os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
