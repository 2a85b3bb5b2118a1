"""What generates, and where."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, field_validator

from mitt_assets.study.part import Part, Slug


class Vllm(Part):
    """The engine vllm: how much it takes of which devices. None of it decides what is made."""

    memory_share: float | None = Field(
        None,
        gt=0,
        le=1,
        description="of the device's memory (of the machine's on a CPU); if empty, 0.85 or what"
        " nine tenths of the free memory are",
    )
    block_size: Literal[16, 32, 64, 128] = Field(
        32, description="tokens per cached block; the probes' stride lets every prefix be reused"
    )
    max_length: int | None = Field(
        None, ge=64, description="longest prompt and trace together; the model's own if empty"
    )
    tensor_parallel: int = Field(1, ge=1, description="devices one copy of a model is spread over")
    data_parallel: int = Field(1, ge=1, description="copies of a model, each on its own devices")
    enforce_eager: bool = Field(False, description="no compiled graphs: starts faster, runs slower")


class Endpoint(Part):
    """Where a model is served, and under which name."""

    url: str = Field("http://127.0.0.1:8000/v1", description="before /completions; no credentials")
    model: str = Field(min_length=1, description="the model's name at the server")

    @field_validator("url")
    @classmethod
    def _plain(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or not _has_port(parts):
            raise ValueError(
                "give an http:// or https:// address, such as http://127.0.0.1:8000/v1"
            )
        if parts.username is not None or parts.password is not None or parts.query:
            raise ValueError("an address holds no credentials: name engine.server.key_variable")
        return url.rstrip("/")


def _has_port(parts: SplitResult) -> bool:
    """Whether the port, if one is named, is one."""
    try:
        return parts.port != 0
    except ValueError:
        return False


class Server(Part):
    """The engine server: completions by token ids at an OpenAI-compatible endpoint."""

    endpoints: dict[Slug, Endpoint] = Field({}, description="model slug to where it is served")
    concurrency: int = Field(64, ge=1, le=1024, description="requests under way at once")
    timeout: float = Field(1800, gt=0, description="seconds without an answer to one request")
    attempts: int = Field(9, ge=1, le=100, description="tries of one request; 9 span 3 minutes")
    key_variable: str | None = Field(
        None, description="environment variable that holds the API key; none is sent if empty"
    )

    @field_validator("key_variable")
    @classmethod
    def _a_name(cls, name: str | None) -> str | None:
        """What stands here instead may be a key: it is not shown."""
        if name is not None and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) is None:
            raise ValueError(
                "name the environment variable that holds the key, such as MITT_SERVER_KEY; never"
                " write the key itself"
            )
        return name


class Engine(Part):
    """What generates: the library, the device and how requests are grouped."""

    name: Literal["transformers", "vllm", "server"] = Field(
        "transformers", description="trace engine"
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="cuda if there is one")
    shard: int = Field(120, ge=1, description="requests written together; a cut shard runs again")
    probe_method: Literal["packed", "naive"] = Field(
        "packed", description="transformers: packed checkpoints of a trace share its KV cache"
    )
    vllm: Vllm = Vllm()
    server: Server = Server()
