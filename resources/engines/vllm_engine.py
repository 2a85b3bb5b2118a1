"""The engine for long traces of large models: vLLM, in processes of its own.

The process is started for a model, kept between partitions and ended with the engine or for another
model; adapters come and go within it. A process that dies, fails or falls silent is replaced once
and asked again: requests carry their own seeds, so nothing is lost but time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

from mitt_assets.errors import ModelError
from mitt_assets.method.requests import Continuation, ProbeRequest, Request, Sampling
from mitt_assets.study import Vllm
from resources.compute import SHARE
from resources.engines.base import ModelFiles, Progress, TraceEngine
from resources.engines.batches import Limits, check_probes, check_requests
from resources.engines.worker_process import Message, WorkerLostError, WorkerProcess

WORKER = "resources.engines.vllm_worker"
ENVIRONMENT = {
    # Nothing is reported and nothing fetched: the folder holds all there is.
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    # Its own sockets, which several devices need, stay on this machine.
    "VLLM_HOST_IP": "127.0.0.1",
    "VLLM_LOOPBACK_IP": "127.0.0.1",
    # The engine inside the worker: scheduled the same way every time, and one process to lose.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    "VLLM_LOGGING_LEVEL": "WARNING",
}
ADAPTERS = 1
"""Adapters in one call at most: a call is a partition's, and a partition has one adapter."""

_STARTING, _WORKING = 3600.0, 900.0
"""Seconds of silence after which a worker that loads, or works, is given up."""
_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""Largest adapter ranks that vLLM can be started for."""


class VllmEngine(TraceEngine):
    """vLLM on ``data_parallel`` times ``tensor_parallel`` devices.

    ``rank`` is the largest rank of an adapter that will be loaded, 0 if none will be, and
    ``memory_share`` says, whenever vLLM starts, what it takes of each device's memory; by the
    settings if nothing does.
    """

    def __init__(
        self,
        device: str,
        settings: Vllm,
        rank: int = 0,
        *,
        memory_share: Callable[[], float] | None = None,
    ) -> None:
        """Nothing is started yet. ``device`` is cpu or cuda."""
        self.device = device
        self.settings = settings
        self._share = memory_share or (lambda: settings.memory_share or SHARE)
        self.memory_share: float | None = None
        self.rank = rank
        self._model: ModelFiles | None = None
        self._adapter: Path | None = None
        self._limits: Limits | None = None
        self._workers: list[WorkerProcess] = []
        self._said: Message = {}
        self._lost = 0

    def load(self, model: ModelFiles, adapter: Path | None) -> None:
        """Make ``model`` with ``adapter`` current; another model starts another process.

        Raises ModelError if the files cannot serve or vLLM cannot load them.
        """
        from resources.engines.loading import check_adapter
        from resources.engines.serving import check_folder, read_config

        self._lost = 0  # a partition begins with this call, and tells of its own losses
        if model != self._model:
            self.close()
            check_folder(model)
            config = read_config(model)
            self._model = model
            self._start()
            self._limits = Limits.of(config, self._said["context"])
        if adapter is not None and adapter != self._adapter:
            rank = check_adapter(adapter, model)
            if rank > self.rank:
                raise ModelError(
                    f"adapter {adapter}: its rank is {rank}, but vLLM was started for {self.rank}. "
                    "Give the rank in the variant's recipe, or make the adapter again"
                )
        self._adapter = adapter

    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        progress: Progress | None = None,
    ) -> list[Continuation]:
        """Continue each request; results in the order of ``requests``.

        Raises ModelError naming the request that cannot be served, or saying what became of vLLM.
        """
        check_requests(requests, self._current())
        asked = [i for i, request in enumerate(requests) if request.max_tokens > 0]
        call = {
            "call": "generate",
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
        }
        rows = [
            [r.tokens, r.seed, r.max_tokens, r.stop] for r in (requests[place] for place in asked)
        ]
        made = dict(zip(asked, self._shared(call, rows, progress), strict=True))
        return [
            _continuation(request, tuple(made.get(place, ())))
            for place, request in enumerate(requests)
        ]

    def probe(
        self, requests: Sequence[ProbeRequest], progress: Progress | None = None
    ) -> list[list[tuple[int, ...]]]:
        """Greedy forced answers: per request, per branch, the generated tokens (stop included)."""
        check_probes(requests, self._current())
        asked = [i for i, request in enumerate(requests) if request.max_tokens > 0]
        call = {"call": "probe", "temperature": 0.0, "top_p": 1.0}
        rows = [_probe_row(requests[place]) for place in asked]
        made = dict(zip(asked, self._shared(call, rows, progress), strict=True))
        nothing = [[()] * len(request.branches) for request in requests]
        return [
            [tuple(answer) for answer in made.get(place, nothing[place])]
            for place in range(len(requests))
        ]

    def describe(self) -> dict[str, Any]:
        """Versions, device, dtype, attention, what of vLLM was set, and losses of its process."""
        return {
            "engine": "vllm",
            "versions": self._said.get("versions", {}),
            "device": self._said.get("device", {"device": self.device}),
            "dtype": self._model.dtype if self._model else None,
            "probe_method": "prefix cache",
            "context": self._said.get("context"),
            "largest_rank": self.rank,
            "attention": self._said.get("attention"),
            **self.settings.model_dump(mode="json"),
            "memory_share": self.memory_share,
            **({"lost": f"{self._lost} times a process was replaced"} if self._lost else {}),
        }

    def memory_peak(self) -> int | None:
        """The most bytes one of the processes has held since it began."""
        told = [worker.ask({"memory": True}, _WORKING).get("bytes") for worker in self._workers]
        return max((int(one) for one in told if one), default=None)

    def close(self) -> None:
        """End the processes, which frees their devices."""
        for worker in self._workers:
            worker.end()
        self._workers = []
        self._model = self._adapter = self._limits = None

    def _current(self) -> Limits:
        if self._limits is None:
            raise ModelError("no model is loaded: call load first")
        return self._limits

    def _start(self) -> None:
        """One worker per copy of the model, all loading at once. Raises ModelError."""
        from resources.gpu import release

        places = self._devices()
        release(self.device)
        self.memory_share = self._share()
        self._workers = [self._worker(place) for place in places]
        try:
            with ThreadPoolExecutor(len(places)) as pool:
                self._said = list(pool.map(self._loaded, self._workers))[0]
        except BaseException:
            self.close()
            raise

    def _worker(self, place: str | None) -> WorkerProcess:
        visible = {} if place is None else {"CUDA_VISIBLE_DEVICES": place}
        return WorkerProcess(WORKER, {**ENVIRONMENT, **visible})

    def _loaded(self, worker: WorkerProcess) -> Message:
        """What a worker says of itself once it has the model."""
        model = self._model
        assert model is not None
        try:
            said = worker.ask({"load": self._arguments(model)}, _STARTING)
        except WorkerLostError as problem:
            raise ModelError(self._not_loaded(model, str(problem))) from problem
        if "error" in said:
            raise ModelError(self._not_loaded(model, said["error"]))
        return said

    def _not_loaded(self, model: ModelFiles, why: str) -> str:
        return (
            f"model {model.slug} ({model.source}): vLLM cannot load {model.folder}: {_short(why)}. "
            "If memory is short, lower engine.vllm.max_length or memory_share, or raise "
            "tensor_parallel; if vLLM is missing, install it: pip install 'mitt-assets[vllm]'"
        )

    def _arguments(self, model: ModelFiles) -> Message:
        """Those of ``vllm.LLM``, and the device."""
        chosen = self.settings
        adapters = {
            "enable_lora": True,
            # One more than a call can hold. With as many, a base request beside an adapter's gets
            # the adapter's answer on a CPU (measured with 0.32), so none is ever beside one either.
            "max_loras": ADAPTERS + 1,
            "max_lora_rank": next((one for one in _RANKS if one >= self.rank), _RANKS[-1]),
        }
        return {
            "device": self.device.partition(":")[0],
            "model": str(model.folder),
            "dtype": model.dtype,
            "skip_tokenizer_init": True,
            "block_size": chosen.block_size,
            "max_model_len": chosen.max_length,
            "gpu_memory_utilization": self.memory_share,
            "tensor_parallel_size": chosen.tensor_parallel,
            "enforce_eager": chosen.enforce_eager,
            **(adapters if self.rank else {}),
        }

    def _devices(self) -> list[str | None]:
        """The devices each worker sees; None on a CPU, where all see all."""
        from resources.gpu import visible_devices

        copies, each = self.settings.data_parallel, self.settings.tensor_parallel
        if self.device == "cpu":
            return [None] * copies
        found = visible_devices()
        if len(found) < copies * each:
            raise ModelError(
                f"engine.vllm asks for {copies} x {each} devices, but {len(found)} can be seen: "
                "lower data_parallel or tensor_parallel"
            )
        return [",".join(found[i * each : (i + 1) * each]) for i in range(copies)]

    def _shared(self, call: Message, rows: Sequence[Any], progress: Progress | None) -> list[Any]:
        """What each of ``rows`` was answered; the workers take them in turns."""
        workers = range(len(self._workers))
        turns = [rows[number :: len(workers)] for number in workers]
        sums = _Sums(len(workers), progress)
        try:
            with ThreadPoolExecutor(len(workers)) as pool:
                each = pool.map(lambda n: self._answered(n, call, turns[n], sums), workers)
                answers = list(each)
        except BaseException:
            # Some worker is gone; the next load starts all of them anew.
            self.close()
            raise
        return [answers[i % len(workers)][i // len(workers)] for i in range(len(rows))]

    def _answered(self, number: int, call: Message, rows: Sequence[Any], sums: _Sums) -> list[Any]:
        """One worker's answers; asked a second time if the worker was lost the first time."""
        if not rows:
            return []
        adapter = str(self._adapter) if self._adapter else None
        message = {**call, "adapter": adapter, "requests": rows}
        try:
            answer = self._asked(number, message, sums)
        except WorkerLostError:
            self._replace(number)
            try:
                answer = self._asked(number, message, sums)
            except WorkerLostError as problem:
                raise ModelError(
                    f"vLLM was lost twice on the same {len(rows)} requests: "
                    f"{_short(str(problem))}. Lower engine.vllm.memory_share or engine.shard, or "
                    "free the device; finished shards are kept, so run again to go on"
                ) from problem
        sums(number, len(rows), answer["computed"])
        return list(answer["made"])

    def _asked(self, number: int, message: Message, sums: _Sums) -> Message:
        """Raises WorkerLostError for a failure inside vLLM too: its state is unknown then."""
        worker = self._workers[number]
        answer = worker.ask(message, _WORKING, lambda said: sums(number, *said["progress"]))
        if "error" in answer:
            worker.kill()
            raise WorkerLostError(answer["error"])
        return answer

    def _replace(self, number: int) -> None:
        self._lost += 1
        self._workers[number] = self._worker(self._devices()[number])
        self._loaded(self._workers[number])


class _Sums:
    """Adds up what several workers report."""

    def __init__(self, workers: int, progress: Progress | None) -> None:
        self._of = [(0, 0)] * workers
        self._progress = progress
        self._lock = Lock()

    def __call__(self, number: int, finished: int, tokens: int) -> None:
        """Take a worker's own count, which after its loss begins anew but is not told back."""
        with self._lock:
            before = self._of[number]
            self._of[number] = (max(before[0], finished), max(before[1], tokens))
            if self._progress is not None:
                self._progress(*(sum(one) for one in zip(*self._of, strict=True)))


def _probe_row(request: ProbeRequest) -> Message:
    return {
        "prompt": request.prompt,
        "trace": request.trace,
        "branches": [[branch.position, branch.suffix] for branch in request.branches],
        "max_tokens": request.max_tokens,
        "stop": request.stop,
    }


def _continuation(request: Request, tokens: tuple[int, ...]) -> Continuation:
    return Continuation(tokens, bool(tokens) and tokens[-1] in request.stop)


def _short(text: str) -> str:
    """One line of at most 300 characters."""
    line = " ".join(text.split())
    return line if len(line) <= 300 else f"{line[:150]} … {line[-150:]}"
