"""Backfills ready made: one language, one model, everything; and the reports alone.

Partitions of different kinds cannot be one job of Dagster's, so these jobs ask for a backfill of
the partitions that are wanted, and of what they cannot be made without: one run per partition, in
the order of the graph. What is as it should be is left alone.
"""

# No `from __future__ import annotations`: Dagster reads the type of an op's context.

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

# No public name makes a backfill of chosen partitions; the exact pin guards against a move.
from dagster._core.definitions.assets.graph.asset_graph_subset import AssetGraphSubset
from dagster._core.execution.backfill import PartitionBackfill
from dagster._core.utils import make_new_backfill_id
from dagster._time import get_current_timestamp

from mitt_assets.asset_specs import STUDY_TAG, key_of
from mitt_assets.backfills import REPORTS
from mitt_assets.dagster_assets import partitions_definition
from mitt_assets.graph import Graph
from mitt_assets.launchpad import one_of
from mitt_assets.lineage.statement import label
from mitt_assets.materialise import Maker
from mitt_assets.runner.plan import Selection, Task, select

PRESET_TAG = "mitt/preset"
NAMED = 20
"""Partitions named in the log of the run that asks for them."""


def presets(graph: Graph, maker: Maker) -> list[Any]:
    """The jobs of a code location."""
    languages = one_of("Language", list(graph.study.languages))
    models = one_of("Model", list(graph.study.models))
    reports = [key_of(step.asset) for step in graph.steps.values() if step.group == REPORTS]
    return [
        _preset(maker, "one_language", "of one language", {"language": dg.Field(languages)}),
        _preset(maker, "one_model", "of one model", {"model": dg.Field(models)}),
        _preset(maker, "everything", "in the whole study", {}),
        dg.define_asset_job(
            "reports",
            dg.AssetSelection.assets(*reports),
            description="Makes the reports again, of what there is and passed.",
        ),
    ]


def to_make(maker: Maker, selection: Selection) -> list[Task]:
    """The partitions a backfill must make, in the order of the graph.

    They are what is missing or stale among the wanted ones and what those need, and among the same
    what reads anything that is made. Of other languages and models nothing else is touched.
    """
    made = dict[Task, None]()
    for task in select(maker.graph, selection):
        read = [pair for pairs in maker.graph.inputs(*task).values() for pair in pairs]
        if not made.keys().isdisjoint(read) or maker.reasons(*task):
            made[task] = None
    return list(made)


def backfill_of(
    graph: Graph, tasks: Sequence[Task], title: str, tags: Mapping[str, str]
) -> PartitionBackfill:
    """A backfill of exactly these partitions, for the daemon to run."""
    keys: dict[str, list[str]] = {}
    for asset, partition in tasks:
        keys.setdefault(asset, []).extend([partition] if partition else [])
    definitions = {one: partitions_definition(graph, graph.step(one).dimensions) for one in keys}
    subset = AssetGraphSubset(  # type: ignore[call-arg]  # its defaults are not annotated as such
        partitions_subsets_by_asset_key={
            key_of(asset): definition.subset_with_partition_keys(keys[asset])
            for asset, definition in definitions.items()
            if definition is not None
        },
        non_partitioned_asset_keys={
            key_of(asset) for asset, definition in definitions.items() if definition is None
        },
    )
    return PartitionBackfill.from_asset_graph_subset(
        backfill_id=make_new_backfill_id(),
        backfill_timestamp=get_current_timestamp(),
        tags=tags,
        dynamic_partitions_store=None,  # type: ignore[arg-type]  # no partition is dynamic
        asset_graph_subset=subset,
        title=title,
        description=None,
        run_config=None,
    )


def _preset(
    maker: Maker, name: str, where: str, settings: Mapping[str, dg.Field]
) -> dg.JobDefinition:
    @dg.op(name=f"ask_for_{name}", config_schema=dict(settings))
    def ask(context: dg.OpExecutionContext) -> None:
        given = {key: str(context.op_config[key]) for key in settings}
        languages, models = ([given[key]] if key in given else [] for key in ("language", "model"))
        selection = Selection(languages=tuple(languages), models=tuple(models))
        tasks = to_make(maker, selection)
        if not tasks:
            context.log.info("Everything is up to date: nothing to make.")
            return
        tags = {f"mitt/{key}": value for key, value in given.items()}
        tags |= {STUDY_TAG: maker.graph.study.name, PRESET_TAG: name}
        backfill = backfill_of(maker.graph, tasks, " ".join([name, *given.values()]), tags)
        context.instance.add_backfill(backfill)
        context.log.info(
            f"Backfill {backfill.backfill_id} of {_named(tasks)}; see Runs, Backfills."
        )

    @dg.job(
        name=name,
        description=f"Makes what is missing or stale {where}, and what it needs, as a backfill.",
        tags={PRESET_TAG: name},
    )
    def job() -> None:
        ask()

    return job


def _named(tasks: Sequence[Task]) -> str:
    names = [label(*task) for task in tasks[:NAMED]]
    more = [f"and {len(tasks) - NAMED} more"] if len(tasks) > NAMED else []
    return f"{len(tasks)} partitions ({', '.join([*names, *more])})"
