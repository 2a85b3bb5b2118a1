"""Questions to a completions server: repeated while it is away, refused in words when it says no.

What is transient is waited out: no connection, a connection cut, 429 and 5xx. Waits double from a
second to a minute, each shortened at random so that many requests do not come back at once; a
server that names its own wait (Retry-After) is obeyed. Everything else is an error at once.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

from mitt_assets.errors import ModelError, TransientError

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
CONNECTING = 10.0
"""Seconds for a connection to be made."""
BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that pass: overload, a gateway whose server is being restarted."""

Answer = TypeVar("Answer")


class RefusedByServerError(ModelError):
    """The server understood the question and will not answer it; ``status`` is its HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class ServerAwayError(Exception):
    """The server is away, and for how many seconds it asks to be left alone."""

    def __init__(self, why: str, wait: float | None = None) -> None:
        super().__init__(why)
        self.wait = wait


class ServerClient:
    """Speaks to ``url``; safe to share between threads. ``key`` goes into one header only."""

    def __init__(
        self,
        url: str,
        key: str | None,
        *,
        timeout: float,
        attempts: int,
        concurrency: int,
        sleep: Callable[[float], None] = time.sleep,
        tell: Callable[[str], None] = lambda why: None,
    ) -> None:
        """Nothing is sent yet. ``timeout`` is how long an answer may take, in seconds.

        ``tell`` hears why and for how long an answer is waited for, before ``sleep``.
        """
        import urllib3

        self.url = url
        self._key = key
        self._timeout = timeout
        self._attempts = attempts
        self._sleep = sleep
        self._tell = tell
        self._answered = False
        self._pool = urllib3.PoolManager(
            maxsize=concurrency,
            block=True,
            # Followed nowhere and repeated by nobody else: a key goes to the named host alone.
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECTING, read=timeout),
            headers={"Authorization": f"Bearer {key}"} if key else {},
        )

    def get(self, path: str) -> Any:
        """The JSON at ``path`` below the address. Raises as ``post`` and ``json`` do."""
        return self._patiently("GET", path, None, lambda data: self.json(path, data), BUSY)

    def post(
        self,
        path: str,
        body: Any,
        read: Callable[[bytes], Answer],
        *,
        busy: frozenset[int] = BUSY,
    ) -> Answer:
        """What ``read`` makes of the answer to ``body``; statuses in ``busy`` are waited out.

        ``read`` may raise ServerAwayError for an answer that is worth another try. Raises
        RefusedByServerError with the server's words; if it stays away, TransientError, or
        ModelError where it has never answered.
        """
        return self._patiently("POST", path, body, read, busy)

    def json(self, path: str, data: bytes) -> Any:
        """What an answer holds. Raises ModelError if it is not JSON."""
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as problem:
            start = self.cleaned(data.decode("utf-8", "replace"))
            raise ModelError(
                f"{self.url}{path}: the answer is not JSON but {start!r}: the address is not that "
                "of an OpenAI-compatible server; mend engine.server.endpoints"
            ) from problem

    def cleaned(self, text: str) -> str:
        """A server's words for a message: one short line, nothing a terminal acts on, no key.

        They must be whole: of a key that was cut, nothing would be found.
        """
        hidden = text.replace(self._key, "[key]") if self._key else text
        line = " ".join(hidden.split())
        shown = "".join(letter if letter.isprintable() else "?" for letter in line)
        return shown if len(shown) <= 240 else f"{shown[:240]}…"

    def _patiently(
        self,
        method: str,
        path: str,
        body: Any,
        read: Callable[[bytes], Answer],
        busy: frozenset[int],
    ) -> Answer:
        for attempt in range(1, self._attempts + 1):
            try:
                answer = read(self._once(method, path, body, busy))
            except ServerAwayError as problem:
                away = problem
            else:
                self._answered = True
                return answer
            if attempt == self._attempts or (away.wait or 0) > self._timeout:
                break
            wait = _wait(attempt) if away.wait is None else away.wait
            self._tell(f"{away}; try {attempt + 1} of {self._attempts} in {wait:.0f} s")
            self._sleep(wait)
        asked = f", and asks to wait {away.wait:.0f} s" if away.wait is not None else ""
        # What never answered may be a wrong address, which another try of the step would not mend.
        kind = TransientError if self._answered else ModelError
        raise kind(
            f"{self.url}{path}: {away}{asked} (tried {attempt} times). Start the server or mend "
            "engine.server in the study file; finished shards are kept, so run again to go on"
        )

    def _once(self, method: str, path: str, body: Any, busy: frozenset[int]) -> bytes:
        """The body of an answer with status 200."""
        import urllib3

        content = {} if body is None else {"json": body}
        until = time.monotonic() + self._timeout
        try:
            response = self._pool.request(
                method, f"{self.url}{path}", preload_content=False, **content
            )
            data = self._whole(response, until)
        except urllib3.exceptions.HTTPError as problem:
            raise ServerAwayError(self.cleaned(_in_words(problem))) from problem
        if response.status == 200:
            return data
        said = self.cleaned(_error_text(data))
        if response.status in busy:
            raise ServerAwayError(f"answers {response.status} ({said})", _asked_wait(response))
        raise RefusedByServerError(
            f"{self.url}{path}: the server refuses with {response.status}: {said}. "
            f"{_remedy(response.status)}",
            response.status,
        )

    def _whole(self, response: Any, until: float) -> bytes:
        """All of a body. The library's own limit is for each piece, so that drops never end it."""
        data = bytearray()
        try:
            while piece := response.read1():
                data += piece
                if time.monotonic() > until:
                    raise ServerAwayError(f"no whole answer within {self._timeout:.0f} s")
            if response.length_remaining:
                raise ServerAwayError(f"cut off {response.length_remaining} bytes before its end")
        finally:
            # What was not read to its end is cut off, and its place among the connections freed.
            response.close()
            response.release_conn()
        return bytes(data)


def _wait(attempt: int) -> float:
    return min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempt - 1)) * random.uniform(0.5, 1.0)


def _asked_wait(response: Any) -> float | None:
    """Seconds the server asks to wait, as a number or until a date; None for what is neither."""
    import urllib3

    try:
        wait = urllib3.Retry().get_retry_after(response)
    except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
        return None
    return None if wait is None else float(wait)


def _in_words(problem: Exception) -> str:
    """What kept an answer from coming, without the library's object in front of it."""
    return f"no answer: {str(problem).rpartition('>: ')[2] or type(problem).__name__}"


def _error_text(data: bytes) -> str:
    """The message of an OpenAI-shaped error, or the body as it is."""
    text = data.decode("utf-8", "replace")
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return text
    for name in ("error", "message", "detail"):
        body = body.get(name, body) if isinstance(body, dict) else body
    return body if isinstance(body, str) else json.dumps(body)


def _remedy(status: int) -> str:
    if status in (401, 403):
        return "Put its key into the environment variable that engine.server.key_variable names"
    if status == 404:
        return "Mend the address or the model's name in engine.server.endpoints"
    if 300 <= status < 400:
        return "Give the address it redirects to: a key is sent to the named host only"
    return "See the server's own log for the reason"
