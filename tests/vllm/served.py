"""A real vLLM server on loopback that a test may kill and start again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

READY_WITHIN = 300.0


class Served:
    """``vllm serve`` for one model folder; every start serves the same address."""

    def __init__(self, folder: Path, name: str, log: Path) -> None:
        self.folder, self.name, self.log = folder, name, log
        self.port = _free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        """Begin to start it; ``ready`` waits."""
        options = {
            "--host": "127.0.0.1",
            "--port": str(self.port),
            "--served-model-name": self.name,
            "--dtype": "float32",
            "--block-size": "32",
            "--gpu-memory-utilization": "0.1",
            "--max-loras": "2",
            "--max-lora-rank": "8",
        }
        flags = ["--enforce-eager", "--enable-lora", "--skip-tokenizer-init"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    # Not the command `vllm serve`, which asks for a package of the name vllm.
                    *(sys.executable, "-m", "vllm.entrypoints.openai.api_server"),
                    *("--model", str(self.folder), *flags),
                    *(part for option in options.items() for part in option),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={
                    **os.environ,
                    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
                    "VLLM_NO_USAGE_STATS": "1",
                    "DO_NOT_TRACK": "1",
                    "HF_HUB_OFFLINE": "1",
                    "VLLM_HOST_IP": "127.0.0.1",
                    "VLLM_LOOPBACK_IP": "127.0.0.1",
                },
                start_new_session=True,
            )

    def ready(self) -> None:
        """Wait until it answers."""
        wait_for(self._healthy, READY_WITHIN, f"the server is not ready:\n{self._said()}")

    def kill(self) -> None:
        """As ``kill -9`` on all of it, at once."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def _healthy(self) -> bool:
        assert self.process is not None and self.process.poll() is None, self._said()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as said:
                return bool(said.status == 200)
        except OSError:
            return False

    def _said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-3000:]


def wait_for(true: Callable[[], bool], seconds: float, otherwise: str) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
