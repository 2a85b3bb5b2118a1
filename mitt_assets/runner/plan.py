"""What to make and in which order.

A task is one partition. Whether it must be made is decided when its inputs are final and not
before: an input made again with equal bytes makes nothing stale.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from mitt_assets import partitions
from mitt_assets.errors import StudyError
from mitt_assets.graph import Graph, Step

Task = tuple[str, str | None]


@dataclass(frozen=True)
class Selection:
    """Which assets and partitions are wanted; an empty field means all."""

    assets: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()


class State(Enum):
    """Where a task stands."""

    WAITING = "waiting"
    RUNNING = "running"
    FRESH = "up to date"
    MADE = "made"
    JUDGED = "judged only"
    REFUSED = "refused by their checks"
    FAILED = "failed"
    BLOCKED = "blocked"


BAD = (State.REFUSED, State.FAILED, State.BLOCKED)
OVER = (State.FRESH, State.MADE, State.JUDGED, *BAD)


def select(graph: Graph, selection: Selection) -> list[Task]:
    """The wanted tasks and everything upstream of them, in dependency order.

    Raises StudyError for a name the study does not have.
    """
    _known(graph, selection)
    wanted = {task for task in graph.all_partitions if asked(graph, task, selection)}
    for task in reversed(graph.all_partitions):
        if task in wanted:
            wanted.update(required_inputs(graph, task))
    return [task for task in graph.all_partitions if task in wanted]


def asked(graph: Graph, task: Task, selection: Selection) -> bool:
    """Whether a task is itself within the selection, not merely needed by one that is."""
    step = graph.step(task[0])
    return (
        (not selection.variants or step.variant in (None, *selection.variants))
        and (not selection.assets or any(_names(step, one) for one in selection.assets))
        and partitions.matches(step.dimensions, task[1], selection.languages, selection.models)
    )


def _names(step: Step, wanted: str) -> bool:
    """Whether ``wanted`` is the asset's key, its last part, or a prefix of it."""
    name = step.asset.rpartition("/")[2]
    return wanted in (step.asset, name) or step.asset.startswith(f"{wanted}/")


def _known(graph: Graph, selection: Selection) -> None:
    study = graph.study
    for kind, given, known in (
        ("language", selection.languages, tuple(study.languages)),
        ("model", selection.models, tuple(study.models)),
        ("variant", selection.variants, tuple(study.variants)),
    ):
        for name in given:
            if name not in known:
                raise StudyError(f"no {kind} {name!r} in this study; there are {', '.join(known)}")
    for wanted in selection.assets:
        if not any(_names(step, wanted) for step in graph.steps.values()):
            raise StudyError(f"no asset {wanted!r}; there are: {', '.join(graph.steps)}")


def required_inputs(graph: Graph, task: Task) -> list[Task]:
    """The partitions a task cannot be made without."""
    required = {one.name for one in graph.step(task[0]).inputs if one.required}
    return [
        pair for name, pairs in graph.inputs(*task).items() if name in required for pair in pairs
    ]


@dataclass
class Plan:
    """Tasks and their states; ``order`` keeps a model, then a variant, together."""

    graph: Graph
    tasks: Sequence[Task]
    states: dict[Task, State] = field(default_factory=dict)

    def __post_init__(self) -> None:
        chosen = set(self.tasks)
        self.states = dict.fromkeys(self.tasks, State.WAITING)
        self._inputs = {
            task: [
                pair
                for pairs in self.graph.inputs(*task).values()
                for pair in pairs
                if pair in chosen
            ]
            for task in self.tasks
        }
        self._order = {task: self._rank(task, number) for number, task in enumerate(self.tasks)}

    def _rank(self, task: Task, number: int) -> tuple[int, int, int]:
        step = self.graph.step(task[0])
        own = partitions.parse(step.dimensions, task[1])
        models, variants = list(self.graph.study.models), list(self.graph.study.variants)
        model = models.index(own["model"]) if "model" in own else -1
        variant = variants.index(step.variant) if step.variant else -1
        return model, variant, number

    def ready(self) -> list[Task]:
        """Waiting tasks whose inputs are over, first the ones to start first."""
        waiting = (task for task, state in self.states.items() if state is State.WAITING)
        ready = [task for task in waiting if self._inputs_over(task)]
        return sorted(ready, key=self._order.__getitem__)

    def _inputs_over(self, task: Task) -> bool:
        return all(self.states[one] in OVER for one in self._inputs[task])

    def blockers(self, task: Task) -> list[Task]:
        """Required inputs of a task that failed, are refused, or are blocked themselves."""
        required = required_inputs(self.graph, task)
        return [one for one in required if self.states.get(one) in BAD]

    def over(self) -> bool:
        """Whether nothing is waiting or running."""
        return all(state in OVER for state in self.states.values())

    def count(self, *states: State) -> int:
        """How many tasks are in one of ``states``."""
        return sum(state in states for state in self.states.values())


def affinity(graph: Graph, last: Task | None, ready: Iterable[Task]) -> Task:
    """Of the ready tasks, the first that keeps the worker's model and variant loaded."""
    tasks = list(ready)
    if last is None:
        return tasks[0]

    def loaded(task: Task) -> tuple[str | None, str | None]:
        step = graph.step(task[0])
        return partitions.parse(step.dimensions, task[1]).get("model"), step.variant

    wanted = loaded(last)
    return next((task for task in tasks if loaded(task) == wanted), tasks[0])
