"""How long `make ui` takes from a fresh home to a page that can be used.

The command of `make ui` is started three times, each with a home of its own; the median counts:
until the graph of the default study can be asked for, and until Chromium, where there is one, has
painted it. Exits with 1 over the bound.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable

TIMES = 3
BOUND = 25.0
"""Seconds to a usable page, after installation."""
ADDRESS = "127.0.0.1"
GRAPH = json.dumps({"query": "{ assetNodes { id } }"}).encode()


def main() -> int:
    """Print the seconds; 1 if they are too many."""
    measured = [_once() for _ in range(TIMES)]
    asked, painted = (statistics.median(one) for one in zip(*measured, strict=True))
    print(f"from `make ui` to a graph that answers: {asked:.1f} s")
    print(f"to a graph in the browser: {painted:.1f} s (at most {BOUND:.0f})")
    return int(painted > BOUND)


def _once() -> tuple[float, float]:
    port = _free_port()
    with tempfile.TemporaryDirectory() as home:
        settings = {**os.environ, "MITT_HOME": home, "OMP_NUM_THREADS": "1"}
        clock = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "mitt_assets.cli", "ui", "--port", str(port)],
            env=settings,
            stdout=subprocess.DEVNULL,
        )
        try:
            _wait(lambda: _assets(port) > 0)
            asked = time.perf_counter() - clock
            _paint(f"http://{ADDRESS}:{port}/asset-groups")
            return asked, time.perf_counter() - clock
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def _paint(url: str) -> None:
    program = shutil.which("chromium")
    if program is None:
        print("no Chromium here: the browser's part is not measured")
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(url)
        page.get_by_text("3_base", exact=True).first.wait_for()
        browser.close()


def _assets(port: int) -> int:
    request = urllib.request.Request(
        f"http://{ADDRESS}:{port}/graphql", GRAPH, {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return len(json.load(answer)["data"]["assetNodes"])
    except OSError:
        return 0


def _wait(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 180
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError("the web interface did not start within three minutes")
        time.sleep(0.1)


def _free_port() -> int:
    with socket.create_server((ADDRESS, 0)) as free:
        return int(free.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
