"""Worker processes and the loop that feeds them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from mitt_assets.errors import MittError
from mitt_assets.graph import Graph
from mitt_assets.interrupts import held_back
from mitt_assets.lineage.staleness import Reason
from mitt_assets.lineage.statement import label
from mitt_assets.materialise import Maker
from mitt_assets.runner.plan import Plan, State, Task, affinity
from mitt_assets.runner.worker import Done, Failed, Job, Order, serve
from mitt_assets.work import Beat

GRACE = 15.0
"""Seconds a worker gets to end its partition after Ctrl-C."""
TIDY_EVERY = 20.0
"""Seconds between looks for dead runs of others: one may hold the slot that a worker waits for."""


@dataclass
class Worker:
    """A worker process as the parent sees it."""

    number: int
    process: BaseProcess
    pipe: Connection
    ready: bool = False
    task: Task | None = None
    last: Task | None = None
    since: float = 0.0
    beat: Beat | None = None


@dataclass
class Watch:
    """What the display is told; every method may be left as it is."""

    changed: Callable[[], None] = lambda: None
    finished: Callable[[Task, Done | Failed], None] = lambda task, outcome: None
    blocked: Callable[[Task, Task], None] = lambda task, cause: None
    unmeasured: Callable[[Task], None] = lambda task: None
    refused: Callable[[Task, str], None] = lambda task, why: None


@dataclass
class Pool:
    """Runs a plan on ``jobs`` worker processes."""

    plan: Plan
    maker: Maker
    job: Job
    jobs: int
    force: frozenset[Task] = frozenset()
    watch: Watch = field(default_factory=Watch)
    tidy: Callable[[], object] = lambda: None
    tidied: float = field(default_factory=time.monotonic)
    workers: list[Worker] = field(default_factory=list)
    errors: dict[Task, str] = field(default_factory=dict)
    refused: dict[Task, str] = field(default_factory=dict)
    why: dict[Task, list[Reason]] = field(default_factory=dict)

    @property
    def graph(self) -> Graph:
        """The graph of the plan."""
        return self.plan.graph

    def run(self) -> None:
        """Work until nothing is waiting. On KeyboardInterrupt the workers end cleanly first."""
        try:
            while not self.plan.over():
                self._dispatch()
                if not self.plan.over():
                    self._listen()
                self._tidy()
                self.watch.changed()
            self._stop()
        except BaseException:
            self._interrupt()
            raise

    def _tidy(self) -> None:
        if time.monotonic() - self.tidied > TIDY_EVERY:
            self.tidy()
            self.tidied = time.monotonic()

    def _dispatch(self) -> None:
        ready = self._needing_work()
        missing = min(self.jobs, len(ready) + self.plan.count(State.RUNNING)) - len(self.workers)
        for _ in range(missing):
            with held_back():
                self.workers.append(self._start(self._free_number()))
        for worker in self.workers:
            fitting = [task for task in ready if self._fits(worker, task)]
            if worker.ready and worker.task is None and fitting:
                task = affinity(self.graph, worker.last, fitting)
                ready.remove(task)
                worker.task, worker.since, worker.beat = task, time.monotonic(), None
                self.plan.states[task] = State.RUNNING
                worker.pipe.send(Order(*task, make=self._must(task)))

    def _free_number(self) -> int:
        """The smallest number no worker has: a lost worker's devices go to its successor."""
        taken = {worker.number for worker in self.workers}
        return next(number for number in range(len(taken) + 1) if number not in taken)

    def _fits(self, worker: Worker, task: Task) -> bool:
        """Whether a worker may take a task: an engine keeps its devices, so each has one worker."""
        devices = len(self.job.devices)
        return not devices or worker.number < devices or not self.graph.step(task[0]).gpu

    def _needing_work(self) -> list[Task]:
        """Ready tasks that must be made or judged; the others are settled on the way."""
        needing: list[Task] = []
        settled = True
        while settled:
            settled, needing = False, []
            for task in self.plan.ready():
                if blockers := self.plan.blockers(task):
                    self.plan.states[task] = State.BLOCKED
                    self.watch.blocked(task, blockers[0])
                    settled = True
                elif self.maker.unmeasured(*task):
                    self.plan.states[task] = State.BLOCKED
                    self.watch.unmeasured(task)
                    settled = True
                elif self._must(task) or not self._judged(task):
                    needing.append(task)
                else:
                    self._settle(task, State.FRESH)
                    settled = True
        return needing

    def _judged(self, task: Task) -> bool:
        """Whether the present suite was asked about what is stored."""
        return self.maker.gate.verdict(self.maker.required(*task)) is not None

    def _settle(self, task: Task, state: State) -> None:
        """What is stored is as it should be: up to date, made or judged, unless it is refused."""
        why = self.maker.gate.failure(self.maker.required(*task))
        self.plan.states[task] = State.REFUSED if why else state
        if why:
            self.refused[task] = why
            self.watch.refused(task, why)

    def _must(self, task: Task) -> bool:
        if task not in self.why:
            self.why[task] = self.maker.reasons(*task)
        return task in self.force or bool(self.why[task])

    def _start(self, number: int) -> Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, self.job.of(number)), daemon=True)
        process.start()
        theirs.close()
        return Worker(number, process, ours)

    def _listen(self) -> None:
        """Take what the workers have to say; waits half a second at most."""
        pipes = {worker.pipe: worker for worker in self.workers}
        for pipe in wait(list(pipes), timeout=0.5):
            worker = pipes[pipe]  # type: ignore[index]
            try:
                message = worker.pipe.recv()
            except (EOFError, ConnectionResetError):
                self._lost(worker)
                continue
            self._hear(worker, message)

    def _hear(self, worker: Worker, message: object) -> None:
        if isinstance(message, Beat):
            worker.beat = message
        elif isinstance(message, Done | Failed):
            self._finish(worker, message)
        else:
            worker.ready = True

    def _finish(self, worker: Worker, outcome: Done | Failed) -> None:
        task = worker.task
        if task is None:
            said = outcome.message if isinstance(outcome, Failed) else "it made what nobody asked"
            raise MittError(f"a worker process could not start: {said}")
        worker.task, worker.last, worker.beat = None, task, None
        if isinstance(outcome, Failed):
            self.plan.states[task] = State.FAILED
            self.errors[task] = outcome.message
        elif self._must(task):
            self.plan.states[task] = State.MADE
        else:
            self.plan.states[task] = State.JUDGED
        self.watch.finished(task, outcome)
        if isinstance(outcome, Done):
            self._settle(task, self.plan.states[task])

    def _lost(self, worker: Worker) -> None:
        worker.process.join(timeout=5)
        self.workers.remove(worker)
        code = worker.process.exitcode
        if worker.task is None and not worker.ready:
            raise MittError(f"a worker process could not start: it died with exit code {code}")
        if worker.task is not None:
            said = f"the worker process died (exit code {code}) while making {label(*worker.task)}"
            self._finish(worker, Failed(f"{said}; finished shards are kept, run again to go on"))

    def _stop(self) -> None:
        for worker in self.workers:
            if worker.process.is_alive():
                worker.pipe.send(None)
        for worker in self.workers:
            worker.process.join(timeout=GRACE)

    def _interrupt(self) -> None:
        """Let every worker cancel its run, then end it; a second Ctrl-C does not wait for that."""
        try:
            for worker in self.workers:
                _ask_to_end(worker)
            deadline = time.monotonic() + GRACE
            for worker in self.workers:
                worker.process.join(timeout=max(0.1, deadline - time.monotonic()))
        finally:
            for worker in self.workers:
                worker.process.kill()


def _ask_to_end(worker: Worker) -> None:
    """Cancel what a worker makes, and give it nothing more; one still starting has nothing."""
    if not worker.ready:
        worker.process.kill()
    elif worker.process.is_alive() and worker.process.pid:
        with suppress(OSError):  # it ended meanwhile
            if worker.task is not None:
                os.kill(worker.process.pid, signal.SIGINT)
            worker.pipe.send(None)  # after the signal, which must not meet a worker that closes
