"""The default trace engine: any decoder-only model of transformers, with loops of our own.

The library's ``generate`` seeds a whole batch at once and keeps finished rows; its dynamic cache
copies itself at every step. Here a request's draw follows from its own seed, finished rows leave,
and all checkpoints of a trace share one reading of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from mitt_assets.errors import ModelError
from mitt_assets.method.requests import Continuation, ProbeRequest, Request, Sampling
from resources.engines.attention import NAME, register
from resources.engines.base import ModelFiles, Progress, TraceEngine
from resources.engines.batches import (
    Counter,
    Limits,
    as_requests,
    check_probes,
    check_requests,
    columns_that_fit,
    extent,
    halving,
    within,
)

_GREEDY = Sampling(temperature=0.0, top_p=1.0)


class TransformersEngine(TraceEngine):
    """Generates and probes with transformers on one device.

    ``rows`` is the most requests in one batch of generation and ``probe_tokens`` the most padded
    trace tokens in one batch of probes; both are fixed, so that the same call makes the same bytes.
    ``attention`` is that of models whose cache is a plain list of columns.
    """

    def __init__(
        self,
        device: str = "cpu",
        probe_method: Literal["packed", "naive"] = "packed",
        *,
        rows: int = 256,
        probe_tokens: int | None = None,
        attention: str = NAME,
    ) -> None:
        """Nothing is loaded yet. ``device`` is cpu, cuda or cuda:<number>."""
        self.device = device
        self.probe_method = probe_method
        self.attention = attention
        self.rows = rows
        self.probe_tokens = probe_tokens or (6_144 if device == "cpu" else 65_536)
        self._files: ModelFiles | None = None
        self._adapter: Path | None = None
        self._base: Any = None
        self._model: Any = None
        self._plain_cache = True
        self._halved = 0

    def load(self, model: ModelFiles, adapter: Path | None) -> None:
        """Make ``model`` with ``adapter`` current; the base stays while only the adapter changes.

        Raises ModelError if the files cannot serve: no folder, no safetensors, another base.
        """
        self._halved = 0  # a partition begins with this call, and tells of its own
        if self._files is None or _identity(model) != _identity(self._files):
            self._load_base(model)
        elif adapter == self._adapter:
            return
        self._load_adapter(model, adapter)

    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        progress: Progress | None = None,
    ) -> list[Continuation]:
        """Continue each request; results in the order of ``requests``.

        Raises ModelError naming the request if a token is not in the vocabulary, a prompt is empty
        or the continuation could outgrow the model's context.
        """
        model = self._current()
        check_requests(requests, Limits.of(model.config))
        counted = Counter(progress)
        asked = [i for i, request in enumerate(requests) if request.max_tokens > 0]
        asked.sort(key=lambda i: (len(requests[i].tokens), i))
        done = {i: Continuation((), stopped=False) for i in range(len(requests))}
        for batch in self._batches([requests[i] for i in asked]):
            places = asked[batch]
            some = [requests[i] for i in places]
            done.update(zip(places, self._continue(some, sampling, counted), strict=True))
        return [done[i] for i in range(len(requests))]

    def probe(
        self, requests: Sequence[ProbeRequest], progress: Progress | None = None
    ) -> list[list[tuple[int, ...]]]:
        """Greedy forced answers: per request, per branch, the generated tokens (stop included).

        Raises ModelError naming the request and branch if a token is not in the vocabulary, a
        suffix is empty or a position lies outside the trace.
        """
        model = self._current()
        check_probes(requests, Limits.of(model.config))
        if self._probe_method() == "naive":
            return self._probe_naively(requests, progress)
        return self._probe_packed(requests, Counter(progress))

    def describe(self) -> dict[str, Any]:
        """Library, versions, device, dtype, attention, determinism and methods in force."""
        from resources.gpu import describe_device

        method = self._probe_method()
        said = {
            "engine": "transformers",
            "versions": {name: version(name) for name in ("transformers", "torch", "peft")},
            "device": describe_device(self.device),
            "dtype": self._files.dtype if self._files else None,
            "attention": self._attention(),
            "probe_method": method,
            "rows": self.rows,
            "probe_tokens": self.probe_tokens,
        }
        if method != self.probe_method:
            said["probe_note"] = "the model's cache is sliding or hybrid: probes run naively"
        if self._halved:
            said["memory_note"] = f"batches halved {self._halved} times for lack of device memory"
        return said

    def memory_peak(self) -> int:
        """The most bytes tensors have taken on the device, or this process in memory, so far."""
        from resources.gpu import memory_peak

        return memory_peak(self.device)

    def close(self) -> None:
        """Forget the model and free the device."""
        from resources.gpu import release

        self._files = self._adapter = self._base = self._model = None
        release(self.device)

    def _load_base(self, model: ModelFiles) -> None:
        from resources.engines.loading import load_base
        from resources.engines.plain_decoding import has_plain_cache
        from resources.engines.serving import check_folder, read_config

        self.close()
        check_folder(model)
        self._plain_cache = has_plain_cache(read_config(model))
        register()
        self._base = self._model = load_base(model, self.device, self._attention())
        self._files = model

    def _load_adapter(self, model: ModelFiles, adapter: Path | None) -> None:
        from resources.engines.loading import attach_adapter

        if self._adapter is not None:
            self._base = self._model.unload()
        self._model, self._adapter = self._base, None
        if adapter is not None:
            self._model, self._adapter = attach_adapter(self._base, adapter, model), adapter

    def _attention(self) -> str:
        return self.attention if self._plain_cache else "sdpa"

    def _probe_method(self) -> str:
        return self.probe_method if self._plain_cache else "naive"

    def _current(self) -> Any:
        if self._model is None:
            raise ModelError("no model is loaded: call load first")
        return self._model

    def _batches(self, requests: Sequence[Request]) -> list[slice]:
        """Batches of at most ``rows`` requests whose keys and values fit the device."""
        model, files = self._current(), self._files
        assert files is not None
        longest = max((len(r.tokens) + r.max_tokens for r in requests), default=1)
        columns = columns_that_fit(model.config, files.dtype, self.device)
        rows = self.rows if columns is None else max(1, min(self.rows, columns // longest))
        return [slice(i, i + rows) for i in range(0, len(requests), rows)]

    def _continue(
        self, requests: Sequence[Request], sampling: Sampling, counted: Counter
    ) -> list[Continuation]:
        from resources.engines.decoding import continue_together
        from resources.engines.plain_decoding import continue_plainly

        model = self._current()
        together = continue_together if self._plain_cache else continue_plainly
        return halving(
            requests,
            lambda part: together(model, part, sampling, self.device, counted),
            counted,
            self._note_halving,
        )

    def _note_halving(self) -> None:
        self._halved += 1

    def _probe_naively(
        self, requests: Sequence[ProbeRequest], progress: Progress | None
    ) -> list[list[tuple[int, ...]]]:
        """Every prefix run afresh: the oracle of the packed method."""
        made = iter(self.generate(as_requests(requests), _GREEDY, progress))
        return [[next(made).tokens for _ in request.branches] for request in requests]

    def _probe_packed(
        self, requests: Sequence[ProbeRequest], counted: Counter
    ) -> list[list[tuple[int, ...]]]:
        from resources.engines.packed_probes import answer_together

        model = self._current()
        asked = [i for i, r in enumerate(requests) if r.branches and r.max_tokens > 0]
        asked.sort(key=lambda i: (-len(requests[i].branches), -extent(requests[i]), i))
        done: dict[int, list[tuple[int, ...]]]
        done = {i: [()] * len(requests[i].branches) for i in range(len(requests))}
        for batch in within([extent(requests[i]) for i in asked], self.probe_tokens):
            made = halving(
                [requests[i] for i in asked[batch]],
                lambda part: answer_together(model, part, self.device, counted),
                counted,
                self._note_halving,
            )
            done.update(zip(asked[batch], made, strict=True))
        return [done[i] for i in range(len(requests))]


def _identity(model: ModelFiles) -> tuple[object, ...]:
    """What decides whether loaded weights can stay: place, arithmetic and bytes."""
    return model.folder, model.dtype, tuple(sorted(model.files.items()))
