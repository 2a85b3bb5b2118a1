"""The engine for models that somebody serves: completions by token ids over HTTP.

vLLM and SGLang take prompts as token ids and, asked with ``return_token_ids``, answer with token
ids; a server that answers with text alone is refused, since text does not give the tokens back.
What weights the server computes with cannot be seen from here: they are recorded as unverified.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from mitt_assets.errors import MittError, ModelError
from mitt_assets.method.requests import Continuation, ProbeRequest, Request, Sampling
from mitt_assets.study import Endpoint, Server
from resources.engines.base import ModelFiles, Progress, TraceEngine, Waits
from resources.engines.batches import (
    Counter,
    Limits,
    as_request,
    check_probes,
    check_requests,
)
from resources.engines.server_client import (
    BUSY,
    RefusedByServerError,
    ServerClient,
)
from resources.engines.server_completions import PATH, Asked

UNVERIFIED = "unverified"
"""What stands for a digest where bytes cannot be seen."""
WEIGHTS = (".safetensors", ".safetensors.index.json")

_GREEDY = Sampling(temperature=0.0, top_p=1.0)
Item = TypeVar("Item")
Made = TypeVar("Made")


class ServerEngine(TraceEngine):
    """Asks ``settings.endpoints`` for every model; the key is read from the environment alone."""

    def __init__(self, settings: Server, *, client: Callable[..., ServerClient] = ServerClient):
        """Nothing is sent yet. Raises ModelError if the key's variable is not set."""
        self.settings = settings
        self._make_client = client
        self._key = _key(settings.key_variable)
        self._client: ServerClient | None = None
        self._model: ModelFiles | None = None
        self._endpoint = Endpoint(model="none")
        self._adapter: Path | None = None
        self._limits: Limits | None = None
        self._server: dict[str, Any] = {}
        self._offering = Lock()
        self._telling = Lock()
        self._hear: Waits = lambda what, why: None

    def tell_waits(self, hear: Waits) -> None:
        """From now on ``hear`` of every wait for a server that is away."""
        self._hear = hear

    def load(self, model: ModelFiles, adapter: Path | None) -> None:
        """Make ``model`` with ``adapter`` current, as far as a client can.

        Raises ModelError if the server does not serve the model, or cannot take the adapter.
        """
        from resources.engines.loading import check_adapter
        from resources.engines.serving import read_config

        if model != self._model:
            self.close()
            limits = Limits.of(read_config(model))
            self._endpoint = self._endpoint_of(model)
            self._client = self._make_client(
                self._endpoint.url,
                self._key,
                timeout=self.settings.timeout,
                attempts=self.settings.attempts,
                concurrency=self.settings.concurrency,
                tell=self._tell,
            )
            served = self._served(self._endpoint.model)
            self._limits = Limits(limits.vocabulary, _least(limits.context, served))
            self._server = self._version()
            self._model = model
        if adapter is not None and adapter != self._adapter:
            check_adapter(adapter, model)
            self._offer(adapter)
        self._adapter = adapter

    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        progress: Progress | None = None,
    ) -> list[Continuation]:
        """Continue each request; results in the order of ``requests``.

        Raises ModelError naming the request that cannot be served, or what the server said.
        """
        check_requests(requests, self._current())
        return self._together(requests, lambda one: one, sampling, Counter(progress))

    def probe(
        self, requests: Sequence[ProbeRequest], progress: Progress | None = None
    ) -> list[list[tuple[int, ...]]]:
        """Greedy forced answers: per request, per branch, the generated tokens (stop included).

        The prefixes of a trace are asked one after another, the longest first: the server finds
        the others in its cache.
        """
        check_probes(requests, self._current())
        flat = [(request, branch) for request in requests for branch in request.branches]
        order, counted = _longest_first(requests), Counter(progress)
        done = self._together(
            [flat[i] for i in order],
            lambda one: as_request(*one),
            _GREEDY,
            lambda _, now: counted(0, now),
        )
        made = dict(zip(order, done, strict=True))
        counted(len(requests), 0)
        places = iter(range(len(flat)))
        return [[made[next(places)].tokens for _ in request.branches] for request in requests]

    def describe(self) -> dict[str, Any]:
        """The server's own words on itself; never the key."""
        return {
            "engine": "server",
            "server": self._server,
            "url": self._endpoint.url,
            "model": self._endpoint.model,
            "weights": UNVERIFIED,
            "dtype": "the server's",
            "attention": "the server's",
            "device": {"device": "the server's", "determinism": "the server's: share is reported"},
            "probe_method": "one request per prefix",
        }

    def materials(self, model: ModelFiles) -> dict[str, str]:
        """The files read here by sha256; weights, which only the server read, as unverified."""
        weights = [name for name in model.files if name.endswith(WEIGHTS)] or ["served weights"]
        return {**model.files, **dict.fromkeys(weights, UNVERIFIED)}

    def close(self) -> None:
        """Forget the model; the server keeps it."""
        self._model = self._adapter = self._client = self._limits = None

    def _current(self) -> Limits:
        if self._limits is None:
            raise ModelError("no model is loaded: call load first")
        return self._limits

    def _talk(self) -> ServerClient:
        if self._client is None:
            raise ModelError("no model is loaded: call load first")
        return self._client

    def _endpoint_of(self, model: ModelFiles) -> Endpoint:
        if model.slug not in self.settings.endpoints:
            raise ModelError(
                f"model {model.slug}: engine.server.endpoints names no address where it is served"
            )
        return self.settings.endpoints[model.slug]

    def _served(self, name: str) -> int | None:
        """The longest sequence of a served model. Raises ModelError naming what is served."""
        listed = self._talk().get("/models")
        cards = listed.get("data") if isinstance(listed, dict) else None
        if not isinstance(cards, list) or not all(isinstance(card, dict) for card in cards):
            raise ModelError(
                f"{self._endpoint.url}/models: no list of models: the address is not that of an "
                "OpenAI-compatible server; mend engine.server.endpoints"
            )
        names = {str(card.get("id")): card for card in cards}
        if name not in names:
            found = self._talk().cleaned(", ".join(names)) or "nothing"
            raise ModelError(
                f"{self._endpoint.url} does not serve {name!r} (it serves: {found}): mend "
                "engine.server.endpoints or start the server with this name"
            )
        longest = names[name].get("max_model_len")
        return longest if isinstance(longest, int) else None

    def _version(self) -> dict[str, Any]:
        """What the server says it is; nothing where it does not say."""
        root = self._endpoint.url.rpartition("/v1")[0] or self._endpoint.url
        client = self._make_client(root, self._key, timeout=30.0, attempts=1, concurrency=1)
        for path in ("/version", "/server_info"):
            try:
                said = client.get(path)
            except MittError:
                continue
            version = said.get("version") if isinstance(said, dict) else None
            if isinstance(version, str):
                return {"version": client.cleaned(version)}
        return {}

    def _offer(self, adapter: Path) -> None:
        """Have the server load an adapter under a name of its content, unless it already has.

        Raises ModelError with what to do if the server does not let itself be told.
        """
        name, client = _adapter_name(adapter), self._talk()
        try:
            self._served(name)
            return
        except ModelError:
            pass
        body = {"lora_name": name, "lora_path": str(adapter)}
        try:
            # A server that fails on an adapter fails again: 500 is not waited out here.
            client.post("/load_lora_adapter", body, len, busy=BUSY - {500})
        except RefusedByServerError as problem:
            raise ModelError(
                f"adapter {adapter}: the server does not take it ({problem}). vLLM does when "
                "started with --enable-lora --max-loras 2 and VLLM_ALLOW_RUNTIME_LORA_UPDATING=1, "
                "on a machine that sees this folder; or serve it there under the name "
                f"{name} (--lora-modules {name}={adapter})"
            ) from problem

    def _together(
        self,
        items: Sequence[Item],
        request_of: Callable[[Item], Request],
        sampling: Sampling,
        counted: Callable[[int, int], None],
    ) -> list[Continuation]:
        """All items, ``concurrency`` at a time; the first error ends the others' waiting.

        A request is written when its turn comes: all prefixes of a trace are many times its length.
        """

        def one(item: Item) -> Continuation:
            request = request_of(item)
            if request.max_tokens == 0:
                return Continuation((), stopped=False)
            made = self._complete(request, sampling)
            with self._telling:
                counted(1, len(made.tokens))
            return made

        return _in_threads(one, items, self.settings.concurrency)

    def _tell(self, why: str) -> None:
        with self._telling:
            self._hear(f"the server at {self._endpoint.url}", why)

    def _complete(self, request: Request, sampling: Sampling) -> Continuation:
        """One completion. A server that was started again is told its adapter once more."""
        try:
            return self._completion(request, sampling)
        except RefusedByServerError as problem:
            if problem.status != 404 or self._adapter is None:
                raise
        with self._offering:
            self._offer(self._adapter)
        return self._completion(request, sampling)

    def _completion(self, request: Request, sampling: Sampling) -> Continuation:
        client, model = self._talk(), self._endpoint.model
        asked = Asked(
            request,
            self._current().vocabulary,
            model,
            f"{self._endpoint.url}{PATH}",
            client.cleaned,
        )
        name = model if self._adapter is None else _adapter_name(self._adapter)
        tokens = client.post(
            PATH, asked.body(name, sampling), lambda data: asked.tokens(client.json(PATH, data))
        )
        return Continuation(tokens, bool(tokens) and tokens[-1] in request.stop)


def _adapter_name(adapter: Path) -> str:
    """An adapter's folder is named by its content, and so is what the server calls it."""
    return f"mitt-{adapter.name[:32]}"


def _longest_first(requests: Sequence[ProbeRequest]) -> list[int]:
    """Places of all branches in a row, request by request, the longest prefix first."""
    order: list[int] = []
    for request in requests:
        start, positions = len(order), [branch.position for branch in request.branches]
        order += [start + i for i in sorted(range(len(positions)), key=lambda i: -positions[i])]  # noqa: B023
    return order


def _in_threads(
    work: Callable[[Item], Made], items: Sequence[Item], concurrency: int
) -> list[Made]:
    with ThreadPoolExecutor(max(1, min(concurrency, len(items)))) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _least(*numbers: int | None) -> int | None:
    return min((number for number in numbers if number), default=None)


def _key(variable: str | None) -> str | None:
    """The key in the environment.

    Raises ModelError if its variable is named but not set, or holds what no header can: the
    library's own message would show the key.
    """
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ModelError(
            f"engine.server.key_variable names {variable}, which is not set: put the server's key "
            "into it, or leave key_variable empty"
        )
    if not (key.isascii() and key.isprintable()):
        raise ModelError(
            f"{variable} holds a line break or a letter that is not ASCII, so it is not a key: put "
            "the server's key into it, and nothing else"
        )
    return key
