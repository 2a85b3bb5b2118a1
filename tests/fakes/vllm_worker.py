"""Stands in for the vLLM worker: the same messages, no library, and faults on request.

FAKE_WORKER names a folder. What it is asked is kept there, and the faults listed in its file
``faults``, one a line, are taken one per call: ``die``, ``silent``, ``garbage``, ``error``.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ["FAKE_WORKER"])


def token_of(seed: int, place: int) -> int:
    """What it writes: decided by seed and place alone."""
    return (seed * 31 + place) % 61


def answer(message: dict[str, Any]) -> dict[str, Any]:
    if "load" in message:
        fault = FOLDER / "refuses"
        if fault.is_file():
            return {"error": fault.read_text(encoding="utf-8")}
        return {"versions": {"vllm": "0"}, "device": {"device": "cpu"}, "context": 500}
    rows = message["requests"]
    if message["call"] == "generate":
        made = [[token_of(seed, place) for place in range(most)] for _, seed, most, _ in rows]
        return {"made": made, "computed": sum(map(len, made))}
    made = [[[position] for position, _ in row["branches"]] for row in rows]
    return {"made": made, "computed": len(made)}


def keep(message: dict[str, Any]) -> None:
    seen = {"pid": os.getpid(), "environment": dict(os.environ), "message": message}
    path = FOLDER / f"asked-{time.monotonic_ns()}-{os.getpid()}.json"
    path.write_text(json.dumps(seen), encoding="utf-8")


def fault() -> str:
    """The next fault for a call, if any is left."""
    path = FOLDER / "faults"
    left = path.read_text(encoding="utf-8").split() if path.is_file() else []
    path.write_text("\n".join(left[1:]), encoding="utf-8")
    return left[0] if left else ""


def main() -> None:
    connection = socket.socket(fileno=int(sys.argv[1]))
    for line in connection.makefile("rb"):
        message = json.loads(line)
        keep(message)
        what = "" if "load" in message else fault()
        if what == "die":
            print("CUDA error: out of patience", flush=True)
            os._exit(7)
        if what == "silent":
            time.sleep(60)
        if "load" not in message:
            connection.sendall(b'{"progress": [1, 2]}\n')
        said = {"error": "RuntimeError: engine core"} if what == "error" else answer(message)
        data = b"no json" if what == "garbage" else json.dumps(said).encode()
        connection.sendall(data + b"\n")


if __name__ == "__main__":
    main()
