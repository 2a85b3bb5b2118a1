"""A small server beside the web interface: the study's report and traces of its numbers.

Browsers open no file from a page of the network, so what the web interface links to is served. It
listens on this machine only, answers GET and HEAD, and gives what is in the store, verified, under
the names that the store's record has: no path of a request reaches the file system.
"""

from __future__ import annotations

import mimetypes
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from mitt_assets.errors import MissingInputError, MittError
from mitt_assets.home import REPORT_ASSET, REPORT_FILE, open_maker
from mitt_assets.study_file import load_study

ADDRESS = "127.0.0.1"
HEADERS = {
    # The pages bring their styles, scripts and pictures along; nothing may be fetched or framed.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline';"
        " img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
KINDS = ("report", "trace")
PLAIN, PAGE = "text/plain; charset=utf-8", "text/html; charset=utf-8"


def pages_server(study: Path, port: int) -> ThreadingHTTPServer:
    """A server of a study's pages, listening; ``serve_forever`` answers. Raises OSError."""
    return _Server((ADDRESS, port), _handler(study))


def page(study: Path, target: str) -> tuple[str, bytes]:
    """The type and the bytes of what a request names: ``/report/NAME`` or ``/trace/ASSET?where=``.

    The study's name may stand before either. The study is read anew, so that a changed study file
    needs no restart. Raises MittError if there is no such page, naming what is missing.
    """
    try:
        parts = urlsplit(target)
    except ValueError as error:
        raise MissingInputError(f"There is no page {target!r}: {error}.") from error
    kind, _, name = _of_this_study(study, unquote(parts.path).lstrip("/")).partition("/")
    if kind == "report" or not kind:
        return _report(study, name or REPORT_FILE)
    if kind == "trace":
        from mitt_assets.ui_pages import trace_html

        where = parse_qs(parts.query).get("where", [""])[0]
        return PAGE, trace_html(open_maker(str(study)), name, where).encode("utf-8")
    raise MissingInputError(f"There is no page {parts.path!r}; see /report/ and /trace/ASSET.")


def _of_this_study(study: Path, path: str) -> str:
    """The path without the study's name. Raises MissingInputError if it is another study's."""
    first, _, rest = path.partition("/")
    if rest.partition("/")[0] not in KINDS:
        return path
    own = load_study(study).name
    if first == own:
        return rest
    if first in KINDS:
        return path
    raise MissingInputError(
        f"This is a page of the study {first}, and the study shown here is {own}."
        f" Open it from the web interface of {first}, which `mitt ui` shows."
    )


def _report(study: Path, name: str) -> tuple[str, bytes]:
    store = open_maker(str(study)).store
    record = store.current(REPORT_ASSET, None)
    if record is None:
        raise MissingInputError(f"There is no report yet: materialise {REPORT_ASSET}.")
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    text = f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
    return text, store.read(record, name)


class _Server(ThreadingHTTPServer):
    """Silent about readers that are gone before they have read everything, as closed tabs are."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print the trace of what went wrong, unless it is the reader's doing."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _handler(study: Path) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers for one study."""

        server_version, sys_version = "mitt", ""

        def do_GET(self) -> None:
            """The page, or in plain words why there is none."""
            self._send(*self._answer())

        do_HEAD = do_GET

        def _answer(self) -> tuple[HTTPStatus, str, bytes]:
            # A page of the internet may make its own name lead here: it would ask by that name.
            if (self.headers.get("Host") or "").rpartition(":")[0] not in (ADDRESS, "localhost"):
                return HTTPStatus.FORBIDDEN, PLAIN, b"This server has no such name."
            try:
                return HTTPStatus.OK, *page(study, self.path)
            except MittError as error:
                return HTTPStatus.NOT_FOUND, PLAIN, str(error).encode("utf-8")
            except OSError as error:
                said = f"The study's home or file cannot be read: {error}"
                return HTTPStatus.INTERNAL_SERVER_ERROR, PLAIN, said.encode("utf-8", "replace")

        def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
            self.send_response(status)
            for name, value in HEADERS.items():
                self.send_header(name, value)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: the terminal belongs to the web interface."""

    return Handler
