"""A worker process: makes one partition after another, keeping engine and encoder between them."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any

from checks.names import PLAUSIBLE, SOUND
from mitt_assets.collector import relax
from mitt_assets.errors import MittError
from mitt_assets.interrupts import let_through, quiet_connections
from mitt_assets.threads import set_threads
from mitt_assets.work import Beat


@dataclass(frozen=True)
class Job:
    """What a worker needs to know once."""

    study: str
    limit: int | None
    threads: int
    device: str | None
    devices: tuple[str, ...] = ()
    """CUDA devices of each worker that generates or trains, as CUDA_VISIBLE_DEVICES names them."""

    def of(self, number: int) -> Job:
        """The job of one worker: on its own devices; workers beyond them share, for small steps."""
        if not self.devices:
            return self
        return replace(self, devices=(self.devices[number % len(self.devices)],))


@dataclass(frozen=True)
class Done:
    """A partition was made, or only judged: seconds in all, in models and in checks.

    ``refused`` says which blocking expectations failed, ``look_at`` which others did.
    """

    seconds: float
    model_seconds: float
    check_seconds: float
    refused: str | None = None
    look_at: str | None = None


@dataclass(frozen=True)
class Order:
    """What the parent asks for: make a partition and judge it, or judge what is stored."""

    asset: str
    partition: str | None
    make: bool


@dataclass(frozen=True)
class Failed:
    """A partition could not be made; the message is for the user."""

    message: str


def serve(pipe: Connection, job: Job) -> None:
    """Answer orders from ``pipe`` until it sends None. Runs in a process of its own.

    The parent began it with Ctrl-C held back; it hears that once it can have a run to cancel.
    """
    relax()
    _own_process(job.threads)
    if job.devices:
        os.environ["CUDA_VISIBLE_DEVICES"] = job.devices[0]
    Thread(target=_end_with_parent, daemon=True).start()
    try:
        bench = _Bench(pipe, job)
    except Exception as error:
        pipe.send(Failed(f"{type(error).__name__}: {error}"))
        raise
    try:
        let_through()
        pipe.send("ready")
        while (order := pipe.recv()) is not None:
            pipe.send(bench.answer(order))
    except (KeyboardInterrupt, EOFError, BrokenPipeError):
        pass  # the parent was told to stop, or is gone: there is nobody to work for
    finally:
        bench.close()


def _own_process(threads: int) -> None:
    """A group of its own (Ctrl-C is the parent's to pass on) and a fixed number of threads."""
    os.setpgid(0, 0)
    quiet_connections()
    set_threads(threads)
    os.environ.setdefault("POLARS_MAX_THREADS", str(threads))
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def _end_with_parent() -> None:
    """A worker whose parent was killed must not go on, or wait for a pool slot for ever."""
    parent = parent_process()
    while parent is not None and parent.is_alive():
        time.sleep(1.0)
    os._exit(1)


class _Bench:
    """Everything kept between partitions."""

    def __init__(self, pipe: Connection, job: Job) -> None:
        import dagster as dg

        from checks.dagster_checks import QUIET, checks_of
        from mitt_assets.assets.chain import build_graph
        from mitt_assets.dagster_assets import assets_of
        from mitt_assets.home import Home, limited
        from mitt_assets.materialise import Maker
        from mitt_assets.processes import own_tags
        from mitt_assets.study_file import load_study
        from mitt_assets.up_to_date import up_to_date_checks
        from resources.services import StudyServices

        self._pipe = pipe
        self._told = 0.0
        study = limited(load_study(job.study), job.limit)
        home = Home(study)
        self._services = StudyServices(study, home.cache, job.device)
        graph = build_graph(study)
        self._maker = Maker(graph, home.store(), home.scratch)
        self._assets = assets_of(graph, self._maker, self._tell)
        self._checks = checks_of(graph, self._maker)
        self._up_to_date = up_to_date_checks(graph, self._maker)
        self._instance = dg.DagsterInstance.from_config(str(home.dagster))
        self._dg = dg
        self._quiet = QUIET
        self._tags = {"mitt/by": "mitt run", **own_tags()}

    def answer(self, order: Order) -> Done | Failed:
        """Do what is asked; whatever goes wrong is an answer too."""
        try:
            return self._make(order) if order.make else self._judge(order)
        except KeyboardInterrupt:
            return Failed("interrupted")
        except MittError as error:
            return Failed(str(error))
        except Exception as error:  # the instance itself failed: its database, its disk
            return Failed(f"{type(error).__name__}: {error}")

    def _make(self, order: Order) -> Done | Failed:
        """One partition and its checks, as one Dagster run."""
        clock = time.perf_counter()
        asset = self._assets[order.asset]
        result = self._dg.materialize(
            [asset, self._checks[order.asset], self._up_to_date[order.asset]],
            partition_key=order.partition,
            instance=self._instance,
            resources={"gpu": self._services},
            run_config=self._quiet,
            tags=self._tags,
            raise_on_error=False,
        )
        said = {one.check_name: one for one in result.get_asset_check_evaluations()}
        if not said or not said[SOUND].metadata["judged"].value:
            return Failed(said[SOUND].description or "" if said else _reason(result))
        metadata = result.asset_materializations_for_node(asset.op.name)[0].metadata
        return _done(clock, float(str(metadata["model seconds"].value)), said)

    def _judge(self, order: Order) -> Done:
        """What is stored of a partition, by its checks alone."""
        from checks.dagster_checks import judge_in_run

        clock = time.perf_counter()
        definitions = self._assets[order.asset], self._checks[order.asset]
        said = judge_in_run(
            self._instance, self._maker, definitions, order.partition, self._services, self._tags
        )
        return _done(clock, 0.0, said)

    def close(self) -> None:
        """Free the device."""
        self._services.close()
        self._instance.dispose()

    def _tell(self, beat: Beat) -> None:
        if time.monotonic() - self._told > 0.3 or beat.done == beat.total:
            self._told = time.monotonic()
            self._pipe.send(beat)


def _done(clock: float, model_seconds: float, said: Mapping[str, Any]) -> Done:
    """The answer after both checks of a partition have spoken."""
    sound, plausible = said[SOUND], said[PLAUSIBLE]
    return Done(
        time.perf_counter() - clock,
        model_seconds,
        float(str(sound.metadata["seconds"].value)),
        None if sound.passed else sound.description,
        None if plausible.passed else plausible.description,
    )


def _reason(result: Any) -> str:
    """The first cause of a failed run, as the user should read it."""
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            if data.user_failure_data and data.user_failure_data.description:
                return str(data.user_failure_data.description)
            error = data.error
            while error is not None and error.cause is not None:
                error = error.cause
            if error is not None:
                return error.message.strip()
    return "the run was cancelled or failed before its step began; see its log in the UI"
