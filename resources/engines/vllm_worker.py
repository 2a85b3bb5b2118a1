"""vLLM's side of the vllm engine: ``python -m resources.engines.vllm_worker <socket>``.

Messages are read one at a time, so that a call holds either base requests or those of one adapter:
on a CPU, a base request beside an adapter's can silently get the adapter's output and leave it in
the prefix cache. The engine runs inside this process and gets all requests of a call before its
first step, so that the same call is scheduled, and on a CPU computed, the same way every time.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Thread
from typing import Any

Message = dict[str, Any]
Tell = Callable[[int, int], None]

TOLD_EVERY = 1.0
"""Seconds between signs of progress."""
_CACHE_SHARE = 0.5
"""Of the cached tokens that fit the device, for the traces probed together (our choice)."""


@dataclass(frozen=True)
class _Asked:
    """One request as vLLM takes it."""

    tokens: list[int]
    seed: int
    max_tokens: int
    stop: list[int]


class Host:
    """The loaded model and the adapters it has been given so far."""

    def __init__(self, settings: Message) -> None:
        """Load the model; ``settings`` are arguments of ``vllm.LLM`` and the wanted device."""
        from vllm import LLM
        from vllm.platforms import current_platform

        device = settings.pop("device")
        if current_platform.device_type != device:
            raise ValueError(
                f"this vLLM is built for {current_platform.device_type}, not for {device}"
            )
        self._llm = LLM(**settings, trust_remote_code=False, enable_prefix_caching=True)
        self._device = device
        self._adapters: dict[str, int] = {}

    def describe(self) -> Message:
        """Versions, the device and what vLLM made of the settings."""
        from importlib.metadata import version

        from resources.gpu import describe_device

        config = self._llm.llm_engine.vllm_config
        cache = config.cache_config
        return {
            "versions": {name: version(name) for name in ("torch", "transformers")}
            | {"vllm": _own_version()},
            "device": describe_device(self._device),
            "attention": _attention(config),
            "context": config.model_config.max_model_len,
            "block_size": cache.block_size,
            "cached_tokens": (cache.num_gpu_blocks or 0) * cache.block_size,
        }

    def generate(self, message: Message, tell: Tell) -> Message:
        """Continue every request of ``message``."""
        asked = [_Asked(*row) for row in message["requests"]]
        made, computed = self._run(asked, message, tell)
        return {"made": made, "computed": computed}

    def probe(self, message: Message, tell: Tell) -> Message:
        """All prefixes of a trace in one call, the longest first: the others find it cached."""
        answers: list[list[list[int]]] = []
        computed = 0
        for group in self._that_fit(message["requests"]):
            asked = [one for request in group for one in _prefixes(request)]
            made, more = self._run(asked, message, _after(len(answers), computed, tell))
            forced = iter(made)
            answers += [_in_order(request, forced) for request in group]
            computed += more
        return {"made": answers, "computed": computed}

    def memory(self) -> Message:
        """Bytes this process has held at most, on the device or (on a CPU) in memory."""
        from resources.gpu import memory_peak

        return {"bytes": memory_peak(self._device)}

    def _that_fit(self, requests: list[Message]) -> Iterator[list[Message]]:
        """Traces whose keys and values stay cached while all their prefixes are answered."""
        room = int(self.describe()["cached_tokens"] * _CACHE_SHARE)
        group: list[Message] = []
        used = 0
        for request in requests:
            size = len(request["prompt"]) + len(request["trace"])
            if group and used + size > room:
                yield group
                group, used = [], 0
            group.append(request)
            used += size
        if group:
            yield group

    def _run(
        self, asked: Sequence[_Asked], message: Message, tell: Tell
    ) -> tuple[list[list[int]], int]:
        """Generated tokens of each request, stop token included; tokens computed for all."""
        engine = self._llm.llm_engine
        adapter = self._adapter(message["adapter"])
        made: list[list[int]] = [[] for _ in asked]
        for number, one in enumerate(asked):
            prompt = {"type": "token", "prompt_token_ids": one.tokens}
            engine.add_request(str(number), prompt, _sampling(one, message), lora_request=adapter)
        finished, computed = 0, 0
        while engine.has_unfinished_requests():
            for output in engine.step():
                if output.finished:
                    written = list(output.outputs[0].token_ids)
                    made[int(output.request_id)] = written
                    finished += 1
                    computed += len(output.prompt_token_ids) - (output.num_cached_tokens or 0)
                    computed += len(written)
            tell(finished, computed)
        return made, computed

    def _adapter(self, folder: str | None) -> Any:
        """VLLM's name for an adapter folder; every folder has a number of its own."""
        if folder is None:
            return None
        from vllm.lora.request import LoRARequest

        number = self._adapters.setdefault(folder, len(self._adapters) + 1)
        return LoRARequest(f"adapter-{number}", number, folder)


def _sampling(one: _Asked, message: Message) -> Any:
    """The request's own limits and seed; nothing is decoded and only ``stop`` ends it."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(
        temperature=message["temperature"],
        top_p=message["top_p"],
        seed=one.seed,
        max_tokens=one.max_tokens,
        stop_token_ids=one.stop,
        ignore_eos=True,
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def _after(finished: int, computed: int, tell: Tell) -> Tell:
    """``tell`` with what was done before added; prefixes do not count as requests."""
    return lambda _, now: tell(finished, computed + now)


def _order(request: Message) -> list[int]:
    """Places of the branches, the longest prefix first."""
    return sorted(range(len(request["branches"])), key=lambda i: -request["branches"][i][0])


def _prefixes(request: Message) -> Iterator[_Asked]:
    tokens = request["prompt"] + request["trace"]
    start = len(request["prompt"])
    for place in _order(request):
        position, suffix = request["branches"][place]
        prefix = tokens[: start + position] + suffix
        yield _Asked(prefix, 0, request["max_tokens"], request["stop"])


def _in_order(request: Message, made: Iterator[list[int]]) -> list[list[int]]:
    answers: list[list[int]] = [[] for _ in request["branches"]]
    for place in _order(request):
        answers[place] = next(made)
    return answers


def _attention(config: Any) -> list[str] | None:
    """What vLLM chose for this device; None where its layers are in other processes."""
    layers = config.compilation_config.static_forward_context.values()
    said = (one.get_attn_backend() for one in layers if hasattr(one, "get_attn_backend"))
    return sorted({backend.get_name() for backend in said}) or None


def _own_version() -> str:
    import vllm

    return str(vllm.__version__)


def serve(connection: socket.socket) -> None:
    """Answer messages until the connection ends."""
    reader, host, said = connection.makefile("rb"), None, [0.0]

    def say(message: Message) -> None:
        connection.sendall(json.dumps(message).encode() + b"\n")

    def tell(finished: int, tokens: int) -> None:
        if time.monotonic() - said[0] >= TOLD_EVERY:
            said[0] = time.monotonic()
            say({"progress": [finished, tokens]})

    while line := reader.readline():
        message = json.loads(line)
        try:
            if host is None:
                host = Host(message["load"])
                answer = host.describe()
            else:
                answer = _answer(host, message, tell)
        except Exception as problem:  # whatever vLLM raises is for the parent to judge
            answer = {"error": f"{type(problem).__name__}: {problem}"}
        say(answer)


def _answer(host: Host, message: Message, tell: Tell) -> Message:
    if "memory" in message:
        return host.memory()
    return host.probe(message, tell) if message["call"] == "probe" else host.generate(message, tell)


def _end_with_parent() -> None:
    """A parent killed with -9 closes nothing while a call runs: look for it."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


if __name__ == "__main__":
    Thread(target=_end_with_parent, daemon=True).start()
    serve(socket.socket(fileno=int(sys.argv[1])))
