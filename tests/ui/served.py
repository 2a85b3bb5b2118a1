"""The web interface as a process, and its GraphQL as the browser speaks it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

ADDRESS = "127.0.0.1"
LISTEN = "0A"
"""The state of a socket in /proc/net/tcp that others may connect to; see proc(5)."""
LOADED = """{ workspaceOrError { ... on Workspace { locationEntries {
    name loadStatus locationOrLoadError { __typename ... on PythonError { message } } } } } }"""


class Served:
    """A command that shows a study, running while used as a context; it says what is in ``log``.

    ``seconds`` is how long it took to load the code location.
    """

    def __init__(
        self, command: Sequence[str], port: int, settings: Mapping[str, str], log: Path
    ) -> None:
        self.url = f"http://{ADDRESS}:{port}"
        self.pages = f"http://{ADDRESS}:{port + 1}"
        self.log = log
        self._command = list(command)
        kept = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
        self._settings = {**kept, **settings}

    def __enter__(self) -> Served:
        began = time.monotonic()
        self.process = subprocess.Popen(
            self._command,
            env=self._settings,
            stdout=self.log.open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            self.wait(self._answers, "the code location to load", 120)
        except BaseException:
            self.end()
            raise
        self.seconds = time.monotonic() - began
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    def end(self) -> None:
        """As Ctrl-C does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(30)
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)

    def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> Any:
        """One GraphQL request; fails on errors."""
        body = json.dumps({"query": query, "variables": variables or {}}).encode()
        head = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/graphql", body, head)
        with urllib.request.urlopen(request, timeout=60) as answer:
            said = json.load(answer)
        assert "errors" not in said, said
        return said["data"]

    def wait(self, ready: Callable[[], Any], what: str, seconds: float) -> Any:
        """The first true answer of ``ready``; fails with the log's end if none comes."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self._last()
            if found := ready():
                return found
            time.sleep(0.3)
        raise AssertionError(f"waited {seconds} s for {what}\n{self._last()}")

    def listening(self) -> set[tuple[str, int]]:
        """Addresses and ports at which the command, or what it started, can be connected to."""
        own = {name for process in self._processes() for name in _open_files(process)}
        found = set()
        for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
            for line in Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTEN and f"socket:[{fields[9]}]" in own:
                    address, _, port = fields[1].partition(":")
                    found.add((_address(family, address), int(port, 16)))
        return found

    def _processes(self) -> set[int]:
        """The command's process and all that descend from it."""
        parents = {}
        for file in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                after_name = file.read_text(encoding="ascii", errors="replace").rpartition(")")[2]
                parents[int(file.parent.name)] = int(after_name.split()[1])
        found = {self.process.pid}
        while more := {one for one, parent in parents.items() if parent in found} - found:
            found |= more
        return found

    def _answers(self) -> bool:
        try:
            entries = self.ask(LOADED)["workspaceOrError"]["locationEntries"]
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
        return bool(entries) and all(
            (one["locationOrLoadError"] or {}).get("__typename") == "RepositoryLocation"
            for one in entries
        )

    def _last(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-4000:]


def _open_files(process: int) -> set[str]:
    found = set()
    with suppress(OSError):
        for one in Path(f"/proc/{process}/fd").iterdir():
            with suppress(OSError):
                found.add(os.readlink(one))
    return found


def _address(family: socket.AddressFamily, hexadecimal: str) -> str:
    """Words of four bytes in the machine's order, as the kernel prints them, for people."""
    data = bytes.fromhex(hexadecimal)
    words = [data[i : i + 4] for i in range(0, len(data), 4)]
    if sys.byteorder == "little":
        words = [word[::-1] for word in words]
    return socket.inet_ntop(family, b"".join(words))


def free_port() -> int:
    """A port that is free, as is the one after it."""
    while True:
        with socket.create_server((ADDRESS, 0)) as free:
            port = int(free.getsockname()[1])
            try:
                socket.create_server((ADDRESS, port + 1)).close()
            except OSError:
                continue
            return port
