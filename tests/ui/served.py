"""Dagster's webserver and daemon over a home, and its GraphQL as the UI speaks it."""

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
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ADDRESS = "127.0.0.1"
LOADED = "{ repositoriesOrError { ... on RepositoryConnection { nodes { id } } } }"


class Served:
    """Runs while used as a context; ``log`` has what it printed."""

    def __init__(self, home: Path, module: str, study: Path, log: Path) -> None:
        self.port = _free_port()
        self.url = f"http://{ADDRESS}:{self.port}"
        self.log = log
        program = str(Path(sys.executable).with_name("dagster"))
        self._command = [program, "dev", "-h", ADDRESS, "-p", str(self.port), "-m", module]
        self._settings = {
            **os.environ,
            "DAGSTER_HOME": str(home),
            "DAGSTER_DISABLE_TELEMETRY": "1",
            "MITT_STUDY": str(study),
        }

    def __enter__(self) -> Served:
        self._process = subprocess.Popen(
            self._command,
            env=self._settings,
            stdout=self.log.open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.wait(self._answers, "the webserver to answer", 120)
        return self

    def __exit__(self, *error: object) -> None:
        os.killpg(self._process.pid, signal.SIGINT)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

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
            assert self._process.poll() is None, self._last()
            if found := ready():
                return found
            time.sleep(1)
        raise AssertionError(f"waited {seconds} s for {what}\n{self._last()}")

    def _answers(self) -> bool:
        try:
            found = self.ask(LOADED)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
        return bool(found["repositoriesOrError"].get("nodes"))

    def _last(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-4000:]


def _free_port() -> int:
    with socket.create_server((ADDRESS, 0)) as free:
        return int(free.getsockname()[1])
