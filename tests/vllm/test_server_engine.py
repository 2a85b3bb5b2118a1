"""The server engine against a real vLLM server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mitt_assets.errors import ModelError
from mitt_assets.study import Endpoint, Server
from resources.engines.base import ModelFiles
from resources.engines.server_engine import ServerEngine
from tests.engines.contract import GREEDY, EngineContract, Ground, Open, some_requests
from tests.vllm.served import Served


@pytest.fixture(scope="module")
def served(
    model: tuple[ModelFiles, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    files, _ = model
    server = Served(files.folder, "tiny", tmp_path_factory.mktemp("server") / "log")
    server.start()
    try:
        server.ready()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def opened(served: Served) -> Open:
    def open_engine(files: ModelFiles) -> ServerEngine:
        endpoint = Endpoint(url=served.url, model=served.name)
        return ServerEngine(Server(endpoints={files.slug: endpoint}, concurrency=8))

    return open_engine


@pytest.fixture(scope="module")
def ground(model: tuple[ModelFiles, Path], opened: Open) -> Ground:
    files, adapter = model
    engine = opened(files)
    engine.load(files, None)
    return Ground(files, adapter, engine)


class TestServer(EngineContract):
    """All of it, with both families, float32."""

    def test_it_says_what_serves_and_that_its_weights_are_unseen(self, ground: Ground) -> None:
        said = ground.engine.describe()
        assert said["server"]["version"].startswith("0.32")
        assert said["weights"] == "unverified"

    def test_a_name_that_is_not_served_is_told_with_those_that_are(
        self, ground: Ground, served: Served
    ) -> None:
        endpoint = Endpoint(url=served.url, model="large")
        engine = ServerEngine(Server(endpoints={ground.files.slug: endpoint}))
        with pytest.raises(ModelError, match=r"does not serve 'large' \(it serves: tiny"):
            engine.load(ground.files, None)

    def test_base_and_adapter_at_once_keep_their_own_answers(
        self, ground: Ground, opened: Open
    ) -> None:
        """vLLM's trap, sprung on purpose: with --max-loras 1 the base answers as the adapter."""
        asked, other = some_requests(24, seed=5), opened(ground.files)
        other.load(ground.files, ground.adapter)
        plain, adapted = (one.generate(asked, GREEDY) for one in (ground.engine, other))
        assert plain != adapted
        with ThreadPoolExecutor(2) as pool:
            mixed = pool.map(lambda one: one.generate(asked, GREEDY), (ground.engine, other))
            assert list(mixed) == [plain, adapted]
        assert ground.engine.generate(asked, GREEDY) == plain
