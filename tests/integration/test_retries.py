"""What is transient is tried again, with the pool slot free meanwhile; what is wrong never is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from mitt_assets import retries
from mitt_assets.dagster_assets import POOL, assets_of
from mitt_assets.errors import ModelError, TransientError
from mitt_assets.graph import Graph, Step
from mitt_assets.home import Home
from mitt_assets.materialise import Maker
from mitt_assets.partitions import NONE
from mitt_assets.runner.worker import _reason
from mitt_assets.study_file import load_study
from mitt_assets.work import Product, Work
from resources.services import StudyServices

Answers = Iterator[Exception | None]
FIRST_PAUSE = retries.FIRST_PAUSE
"""As it is outside of these tests."""


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_PAUSE", 0.01)


@pytest.fixture
def run(
    study_file: Callable[..., Path],
) -> Callable[[list[Exception | None]], tuple[dg.ExecuteInProcessResult, list[int]]]:
    """Makes one step that answers in turn; its run, and the free pool slots seen at every try."""

    def go(answers: list[Exception | None]) -> tuple[dg.ExecuteInProcessResult, list[int]]:
        study = load_study(study_file())
        home = Home(study)
        home.prepare()
        left, taken = iter(answers), []
        with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
            storage = instance.event_log_storage

            def make(work: Work) -> Product:
                taken.append(storage.get_concurrency_info(POOL).active_slot_count)
                answer = next(left)
                if answer is not None:
                    raise answer
                return Product(files={"made": b"yes"})

            code = ("mitt_assets.assets.models",)
            step = Step("base_model", NONE, make, "A step.", "models", code, gpu=True)
            graph = Graph(study, [step])
            maker = Maker(graph, home.store(), home.scratch)
            result = dg.materialize(
                [assets_of(graph, maker)["base_model"]],
                instance=instance,
                resources={"gpu": StudyServices(study, home.cache, "cpu")},
                raise_on_error=False,
            )
            assert storage.get_concurrency_info(POOL).active_slot_count == 0
        return result, taken

    return go


Run = Callable[[list[Exception | None]], tuple[dg.ExecuteInProcessResult, list[int]]]


def waits(result: dg.ExecuteInProcessResult) -> list[float]:
    """Seconds before each further try."""
    return [
        event.step_retry_data.seconds_to_wait or 0.0
        for event in result.all_events
        if event.event_type_value == "STEP_UP_FOR_RETRY"
    ]


def test_a_transient_failure_is_tried_again_until_it_goes_well(run: Run) -> None:
    gone = TransientError("the server went away")
    result, taken = run([gone, gone, None])
    assert result.success
    assert len(waits(result)) == 2
    # Each try held one slot: the one before had given its own back.
    assert taken == [1, 1, 1]


def test_it_ends_after_the_last_try_and_says_why(run: Run) -> None:
    result, taken = run([TransientError(f"try {i}") for i in range(9)])
    assert not result.success
    assert len(taken) == retries.TRIES + 1
    assert _reason(result) == f"try {retries.TRIES}"
    # Each pause is twice the one before, give or take a quarter.
    pauses = waits(result)
    assert len(pauses) == retries.TRIES
    for number, pause in enumerate(pauses):
        assert 0.75 <= pause / (retries.FIRST_PAUSE * 2**number) <= 1.25
    assert sum(FIRST_PAUSE * 2**number for number in range(retries.TRIES)) == 5 * 60


@pytest.mark.parametrize("error", [ModelError("no such tag"), ValueError("a mistake")])
def test_what_is_wrong_is_not_tried_again(run: Run, error: Exception) -> None:
    result, taken = run([error, None])
    assert not result.success
    assert len(taken) == 1
    assert str(error) in _reason(result)


def test_torch_out_of_memory_is_transient() -> None:
    import torch

    assert retries.is_transient(torch.OutOfMemoryError("CUDA out of memory"))
    assert not retries.is_transient(MemoryError())
