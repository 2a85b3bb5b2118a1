"""What ``mitt run`` shows: a live table on a terminal, a line per partition elsewhere."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mitt_assets.lineage.statement import label
from mitt_assets.runner.plan import OVER, State, Task
from mitt_assets.runner.pool import Pool, Watch, Worker
from mitt_assets.runner.worker import Done, Failed
from mitt_assets.standing import command_for

REFRESH = 4
"""Redraws per second."""


@dataclass
class Display:
    """Follows a pool; use as a context around its ``run``."""

    pool: Pool
    console: Console
    started: float = field(default_factory=time.monotonic)
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    roots: dict[Task, Task] = field(default_factory=dict)
    held_up: Counter[Task] = field(default_factory=Counter)
    unmeasured: list[Task] = field(default_factory=list)
    busy: float = 0.0
    model: float = 0.0
    checks: float = 0.0

    def __enter__(self) -> Display:
        """Begin to watch."""
        self.pool.watch = Watch(
            self._changed, self._finished, self._blocked, self.unmeasured.append, self._refused
        )
        self._live = Live(
            console=self.console, refresh_per_second=REFRESH, transient=True, auto_refresh=False
        )
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop drawing; what was printed stays."""
        if self._live.is_started:
            self._live.stop()

    def _changed(self) -> None:
        if self._live.is_started:
            self._live.update(self._picture(), refresh=True)

    def _finished(self, task: Task, outcome: Done | Failed) -> None:
        over = self.pool.plan.count(*OVER)
        head = f"[{over}/{len(self.pool.plan.tasks)}] {label(*task)}"
        if isinstance(outcome, Failed):
            self._say(f"{head} failed", "red")
            self._say(outcome.message, "red")
            return
        self.busy += outcome.seconds
        self.model += outcome.model_seconds
        self.checks += outcome.check_seconds
        self.seconds[_kind(task)].append(outcome.seconds)
        why = self.pool.why.get(task) or []
        reason = why[0].sentence() if why else self._unasked(task)
        self.console.print(
            f"{escape(head)}  {outcome.seconds:.1f} s  [dim]{escape(reason)}[/dim]",
            highlight=False,
            soft_wrap=True,
        )

        if outcome.look_at:
            self._say(f"  look at: {outcome.look_at}", "yellow")

    def _unasked(self, task: Task) -> str:
        """Why something was done though nothing was missing or stale."""
        return "forced" if task in self.pool.force else "judged: its checks had not been run"

    def _refused(self, task: Task, why: str) -> None:
        self._say(f"{label(*task)} is refused by its checks: {why}", "red")
        commands = (command_for(*task, self.pool.graph, verb) for verb in ("check", "accept"))
        look, accept = commands
        self._say(f"  look at it: {look}   use it nevertheless: {accept} --reason …", "red")

    def _say(self, text: str, style: str) -> None:
        """Never read as markup, and not wrapped: commands in it must survive being copied."""
        self.console.print(Text(text, style=style), highlight=False, soft_wrap=True)

    def _blocked(self, task: Task, cause: Task) -> None:
        root = self.roots.get(cause, cause)
        self.roots[task] = root
        self.held_up[root] += 1

    def print_blocked(self) -> None:
        """Say how much was not made because of each failure, and which reports wait."""
        for root, count in self.held_up.items():
            state = self.pool.plan.states[root]
            verb = "is refused" if state is State.REFUSED else "failed"
            self._say(f"{count} partition(s) not made because {label(*root)} {verb}", "yellow")
        if self.unmeasured:
            why = "nothing was measured that passed its checks"
            said = f"{len(self.unmeasured)} report(s) not made because {why}"
            self._say(f"{said}; what is missing is made with: mitt run", "yellow")

    def _picture(self) -> Group:
        plan = self.pool.plan
        over, total = plan.count(*OVER), len(plan.tasks)
        table = Table.grid(padding=(0, 2))
        for worker in self.pool.workers:
            table.add_row(*self._row(worker))
        left = self._left()
        head = f"{over} of {total} partitions, {_clock(time.monotonic() - self.started)}"
        return Group(
            Text(head + (f", about {_clock(left)} left" if left else "")),
            ProgressBar(total=total, completed=over, width=60),
            table,
        )

    def _row(self, worker: Worker) -> tuple[Text, ...]:
        if worker.task is None:
            return Text(f"{worker.number}"), Text("ready" if worker.ready else "starting"), Text("")
        beat, seconds = worker.beat, time.monotonic() - worker.since
        if beat is None:
            return Text(f"{worker.number}"), Text(label(*worker.task)), Text(_clock(seconds))
        done = f" {beat.done}/{beat.total}" if beat.total else ""
        said = f"{beat.doing}{done}{', ' if beat.note else ''}{beat.note}"
        speed = f", {beat.tokens / seconds:,.0f} tokens/s" if beat.tokens and seconds > 1 else ""
        return Text(f"{worker.number}"), Text(label(*worker.task)), Text(said + speed)

    def _left(self) -> float | None:
        """Seconds left, from the mean time of each kind of partition so far."""
        if not self.seconds:
            return None
        everything = [one for times in self.seconds.values() for one in times]
        overall = sum(everything) / len(everything)
        waiting = [
            task
            for task, state in self.pool.plan.states.items()
            if state in (State.WAITING, State.RUNNING)
        ]
        times = {kind: sum(values) / len(values) for kind, values in self.seconds.items()}
        return sum(times.get(_kind(task), overall) for task in waiting) / self.pool.jobs


def _kind(task: Task) -> str:
    return task[0].rpartition("/")[2]


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
