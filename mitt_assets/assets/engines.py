"""What of an engine decides what is made: its modules and its study keys."""

from __future__ import annotations

from mitt_assets.study import Study

ENGINE_CODE = {
    "transformers": (
        "attention",
        "decoding",
        "kv_cache",
        "packed_probes",
        "plain_decoding",
        "sampling",
        "transformers_engine",
    ),
    "vllm": ("vllm_engine", "vllm_worker", "worker_process"),
    "server": ("server_client", "server_completions", "server_engine"),
}
"""Modules of resources.engines that only one engine runs; the others are every engine's."""
SHARED_CODE = ("base", "batches", "loading", "serving", "tokenizer")


def engine_code(study: Study) -> tuple[str, ...]:
    """The modules that make traces and answers: another engine's change makes nothing stale."""
    names = (*SHARED_CODE, *ENGINE_CODE[study.engine.name])
    chosen = ("resources.compute", "resources.models")
    return (*(f"resources.engines.{name}" for name in names), *chosen)


def engine_settings(study: Study, model: str = "{model}") -> tuple[str, ...]:
    """The engine's study keys that decide what is made; where and how fast it runs do not."""
    served = f"engine.server.endpoints.{model}.model"
    return ("engine.name", "engine.shard", *((served,) if study.engine.name == "server" else ()))
