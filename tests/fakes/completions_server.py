"""An HTTP server on loopback that says what a test tells it to: no model, but real connections."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any


@dataclass(frozen=True)
class Said:
    """One answer. A body that is not bytes is written as JSON; ``None`` cuts the connection.

    An iterator's pieces are written one by one, as parts of a million bytes or (not ``sized``) as
    chunks, and then the connection is cut.
    """

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    sized: bool = True


@dataclass
class Heard:
    """One question."""

    path: str
    headers: dict[str, str]
    body: Any


Answer = Callable[[Heard], Said]


def completion(tokens: list[int], reason: str = "length", **more: Any) -> Said:
    """What vLLM answers when asked to return token ids."""
    return Said({"choices": [{"text": "", "token_ids": tokens, "finish_reason": reason, **more}]})


def models(*names: str, longest: int | None = None) -> Said:
    return Said({"data": [{"id": name, "max_model_len": longest} for name in names]})


class CompletionsServer:
    """Serves ``answers`` by path; use as a context. ``heard`` is everything it was asked."""

    def __init__(self, port: int = 0, **answers: Answer) -> None:
        """Paths below /v1 by their last part; what has no answer is 404. Port 0 is a free one."""
        self.answers = answers
        self.heard: list[Heard] = []
        self.together = self.most_together = 0
        self._lock = Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def asked(self, path: str) -> list[Heard]:
        return [one for one in self.heard if one.path == path]

    def __enter__(self) -> CompletionsServer:
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _say(self, heard: Heard) -> Said:
        with self._lock:
            self.heard.append(heard)
            self.together += 1
            self.most_together = max(self.most_together, self.together)
        try:
            answer = self.answers.get(heard.path.rpartition("/")[2])
            return (
                Said({"error": {"message": "no such path"}}, 404)
                if answer is None
                else answer(heard)
            )
        finally:
            with self._lock:
                self.together -= 1

    def _handler(outer) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer(None)

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", "0"))
                self._answer(json.loads(self.rfile.read(length)))

            def _answer(self, body: Any) -> None:
                said = outer._say(Heard(self.path, dict(self.headers.items()), body))
                if said.body is None:
                    self.close_connection = True
                    return
                if isinstance(said.body, Iterator):
                    self._write_pieces(said)
                    return
                data = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
                self.send_response(said.status)
                for name, value in {**said.headers, "Content-Length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def _write_pieces(self, said: Said) -> None:
                self.close_connection = True
                self.send_response(said.status)
                if said.sized:
                    self.send_header("Content-Length", str(10**6))
                else:
                    self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                with suppress(OSError):
                    for piece in said.body:
                        head = b"" if said.sized else f"{len(piece):x}\r\n".encode()
                        self.wfile.write(head + piece + (b"" if said.sized else b"\r\n"))

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing: tests look at ``heard``."""

        return Handler
