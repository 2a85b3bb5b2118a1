"""The small server beside the web interface: read only, for this machine, nothing but its pages."""

from __future__ import annotations

import http.client
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from mitt_assets.home import Home
from mitt_assets.pages import ADDRESS, pages_server
from mitt_assets.study_file import find, load_study


@contextmanager
def serving(study: Path) -> Iterator[int]:
    server = pages_server(study, 0)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def ask(
    port: int, path: str, method: str = "GET", host: str | None = None
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=60)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host or f"{ADDRESS}:{port}")
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def test_the_report_and_its_figures_are_served_as_they_are_stored(done: Path) -> None:
    home = Home(load_study(done))
    with serving(done) as port:
        status, headers, page = ask(port, "/report/report.html")
        assert (status, page) == (200, (home.path / "report" / "report.html").read_bytes())
        assert headers["Content-Type"] == "text/html; charset=utf-8"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert ask(port, "/")[2] == ask(port, "/report/")[2] == page
        status, headers, nothing = ask(port, "/report/report.html", "HEAD")
        assert (status, nothing, headers["Content-Length"]) == (200, b"", str(len(page)))
        (figure, *_) = sorted((home.path / "report" / "figures").glob("*.csv"))
        assert ask(port, f"/report/figures/{figure.name}")[2] == figure.read_bytes()
        status, _, numbers = ask(port, "/trace/reports/scaling?where=language%3Dtl")
        assert status == 200
        assert b"language%3Dtl" in numbers


def test_the_study_s_name_may_stand_before_and_another_s_is_refused(done: Path) -> None:
    with serving(done) as port:
        for path in ("/report/report.html", "/trace/reports/scaling?where=language%3Dtl"):
            assert ask(port, f"/mini{path}")[::2] == ask(port, path)[::2]
            status, headers, said = ask(port, f"/paper{path}")
            assert (status, headers["Content-Type"]) == (404, "text/plain; charset=utf-8")
            assert b"a page of the study paper, and the study shown here is mini" in said


@pytest.mark.parametrize(
    "path",
    [
        "/report/../../../etc/passwd",
        "/report/%2e%2e/%2e%2e/store/refs",
        "//etc/passwd",
        "/report//etc/passwd",
        "/trace/../../etc/passwd",
        "/trace/reports/scaling?where=nothing",
        "/store/refs",
        "/report/report.html%00",
        "http://[nowhere/report/",
    ],
)
def test_nothing_else_is_served_and_why_is_said(done: Path, path: str) -> None:
    with serving(done) as port:
        status, headers, said = ask(port, path)
        assert status == 404
        assert headers["Content-Type"].startswith("text/plain")
        assert b"root:" not in said
        assert said.strip()


def test_a_home_that_cannot_be_read_is_said(
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.write_text("a file, where a folder is expected", encoding="utf-8")
    monkeypatch.setenv("MITT_HOME", str(home))
    with serving(done) as port:
        status, headers, said = ask(port, "/report")
    assert status in (404, 500)
    assert str(home) in said.decode("utf-8")
    assert headers["Content-Type"].startswith("text/plain")


def test_nobody_writes_and_no_other_name_leads_here(done: Path) -> None:
    with serving(done) as port:
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            assert ask(port, "/report/report.html", method)[0] == 501
        assert ask(port, "/", host=f"evil.example:{port}")[0] == 403
        assert ask(port, "/", host=f"localhost:{port}")[0] == 200


@pytest.mark.parametrize("answer", [b"", b"HTTP"])
def test_a_reader_that_goes_away_is_not_reported(
    done: Path, answer: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving(done) as port:
        with socket.create_connection((ADDRESS, port)) as reader:
            # Closed with this, the connection is reset instead of ended.
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            reader.sendall(f"GET / HTTP/1.1\r\nHost: {ADDRESS}:{port}\r\n\r\n".encode())
            assert reader.recv(len(answer)) == answer
        assert ask(port, "/report/")[0] == 200
    assert capfd.readouterr().err == ""


def test_without_a_report_it_says_how_to_get_one(own_home: Path) -> None:
    with serving(find("organism")) as port:
        status, _, said = ask(port, "/")
        assert (status, said) == (404, b"There is no report yet: materialise reports/study.")
