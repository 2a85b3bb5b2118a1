"""A hub on loopback: repositories from folders, gated and missing ones, and what it was asked.

The real client library talks to it, so that its own errors, retries and cache are what is tested.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

NOWHERE = "http://127.0.0.1:1"
"""An address where nobody listens."""
COMMIT = "0123456789abcdef0123456789abcdef01234567"
_API = re.compile(r"/api/(models|datasets)/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?/?")
_FILE = re.compile(r"/(?:(datasets)/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


@dataclass
class FakeHub:
    """Repositories by (kind, id); ``requests`` are the paths asked for, in order."""

    address: str
    repositories: dict[tuple[str, str], Path] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    cut: dict[str, int] = field(default_factory=dict)
    """Files of which only so many bytes are sent before the connection is closed."""
    requests: list[str] = field(default_factory=list)


@contextmanager
def fake_hub() -> Iterator[FakeHub]:
    """A hub for as long as the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    hub = FakeHub(f"http://127.0.0.1:{server.server_port}")
    server.hub = hub  # type: ignore[attr-defined]
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def use_hub(patch: pytest.MonkeyPatch, cache: Path, address: str | None) -> None:
    """Make the client library of this process use a hub and an empty cache; None: no network."""
    import datasets
    from huggingface_hub import constants, file_download
    from huggingface_hub.utils import _http

    # The client waits between its tries.
    for module in (_http, file_download):
        patch.setattr(module, "time", SimpleNamespace(sleep=lambda seconds: None))
    patch.setattr(datasets.config, "HF_DATASETS_CACHE", cache / "arrow")
    patch.setattr(constants, "HF_HUB_CACHE", str(cache))
    endpoint = address or NOWHERE
    patch.setattr(constants, "ENDPOINT", endpoint)
    files = "/{repo_id}/resolve/{revision}/{filename}"
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + files)
    patch.setattr(constants, "HF_HUB_OFFLINE", address is None)
    for name, value in hub_environment(cache, address).items():
        patch.setenv(name, value)


def hub_environment(cache: Path, address: str | None) -> Mapping[str, str]:
    """The same for a process of its own."""
    return {
        "HF_HUB_CACHE": str(cache),
        "HF_DATASETS_CACHE": str(cache / "arrow"),
        "HF_ENDPOINT": address or NOWHERE,
        "HF_HUB_OFFLINE": "0" if address else "1",
        "HF_HUB_DISABLE_XET": "1",
    }


class _Handler(BaseHTTPRequestHandler):
    """Answers as the hub does, as far as the client asks."""

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, *_: Any) -> None:
        """Silent."""

    def _answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        hub: FakeHub = self.server.hub  # type: ignore[attr-defined]
        hub.requests.append(path)
        if match := _API.fullmatch(path):
            kind, name, asked, revision = match.groups()
            if folder := self._folder(hub, kind, name, revision):
                self._json(_tree(folder) if asked == "tree" else {"id": name, "sha": COMMIT})
        elif match := _FILE.fullmatch(path):
            kind, name, revision, file = match.groups()
            if folder := self._folder(hub, kind or "models", name, revision):
                self._file(folder / file, hub.cut.get(file), body)
        else:
            self._refuse(404, "EntryNotFound")

    def _folder(self, hub: FakeHub, kind: str, name: str, revision: str | None) -> Path | None:
        folder = hub.repositories.get((kind.removesuffix("s"), name))
        if name in hub.gated:
            self._refuse(401, "GatedRepo")
        elif folder is None:
            self._refuse(401, "RepoNotFound")
        elif revision not in (None, "main", COMMIT):
            self._refuse(404, "RevisionNotFound")
        else:
            return folder
        return None

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _json(self, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _file(self, path: Path, cut: int | None, body: bool) -> None:
        if not path.is_file():
            return self._refuse(404, "EntryNotFound")
        data = path.read_bytes()
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{_blob(data)}"')
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data if cut is None else data[:cut])
            self.close_connection = True
        return None


def _tree(folder: Path) -> list[dict[str, Any]]:
    return [
        {
            "type": "file",
            "path": path.relative_to(folder).as_posix(),
            "size": path.stat().st_size,
            "oid": _blob(path.read_bytes()),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]


def _blob(data: bytes) -> str:
    """A git blob's id, by which the hub names small files."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
