"""Steps as Dagster assets: the same graph, seen by the UI, the daemon and ``dg.materialize``."""

# No `from __future__ import annotations`: Dagster reads the type of a step's context.

import os
import socket
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from mitt_assets import partitions
from mitt_assets.errors import MittError
from mitt_assets.graph import OWN, Graph, Input, Step
from mitt_assets.lineage.statement import Record, label
from mitt_assets.materialise import Made, Maker, code_of
from mitt_assets.partitions import Dimensions
from mitt_assets.tables import TABLES
from mitt_assets.work import Beat, Markdown

POOL = "gpu"
HOST_TAG, PID_TAG = "mitt/host", "mitt/pid"
INPUTS_SHOWN = 60
"""Inputs named in a materialisation's metadata; its statement has them all."""
LOG_EVERY = 10.0
"""Seconds between progress lines in a run's log."""


def assets_of(
    graph: Graph, maker: Maker, report: Callable[[Beat], None] | None = None
) -> dict[str, dg.AssetsDefinition]:
    """One Dagster asset per step. ``report`` receives progress beside the run's own log."""
    with warnings.catch_warnings():
        # Partition mappings are beta in 1.13; the exact pin is what guards against their changes.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return {step.asset: _asset(graph, step, maker, report) for step in graph.steps.values()}


def key_of(asset: str) -> dg.AssetKey:
    """Dagster's key of an asset."""
    return dg.AssetKey(asset.split("/"))


def _asset(
    graph: Graph, step: Step, maker: Maker, report: Callable[[Beat], None] | None
) -> dg.AssetsDefinition:
    @dg.asset(
        key=key_of(step.asset),
        deps=[_dependency(graph, step, one) for one in step.inputs],
        partitions_def=partitions_definition(graph, step.dimensions),
        description=step.text,
        group_name=step.group,
        kinds={"table"} if step.table else {"file"},
        code_version=code_of(step),
        pool=POOL if step.gpu else None,
        required_resource_keys={"gpu"},
        metadata=_column_schema(step),
    )
    def body(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        partition = str(context.partition_key) if context.has_partition_key else None
        context.instance.add_run_tags(context.run_id, own_tags())
        log = _logger(context, report)
        try:
            made = maker.make(step.asset, partition, context.resources.gpu, context.run_id, log)
        except MittError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error
        return dg.MaterializeResult(
            data_version=dg.DataVersion(made.record.content),
            metadata={**metadata_of(made), **lineage_of(graph, step, made.record)},
        )

    return body


def own_tags() -> dict[str, str]:
    """Which process a run is in, so that a dead one can be told from a slow one."""
    return {HOST_TAG: socket.gethostname(), PID_TAG: process_name(os.getpid()) or ""}


def process_name(pid: int) -> str | None:
    """A process by its number and the tick it began, since numbers are used again; None if gone."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    after_name = status.rpartition(")")[2].split()
    # proc(5): the state is field 3, the start time field 22.
    return None if after_name[0] == "Z" else f"{pid}:{after_name[19]}"


def metadata_of(made: Made) -> dict[str, Any]:
    """What the UI shows beside a materialisation."""
    shown = {
        name: dg.MetadataValue.md(value) if isinstance(value, Markdown) else value
        for name, value in made.metadata.items()
    }
    return {
        **shown,
        "seconds": round(made.seconds, 2),
        "model seconds": round(made.model_seconds, 2),
        "content": made.record.content,
        "statement": made.record.statement,
    }


def lineage_of(graph: Graph, step: Step, record: Record) -> dict[str, Any]:
    """What a materialisation was made from, and where each column's values stand upstream."""
    inputs = [
        f"{label(one.asset, one.partition)} {one.statement[:12]}" for one in record.dependencies
    ]
    more = len(inputs) - INPUTS_SHOWN
    text = "\n".join([*inputs[:INPUTS_SHOWN], *([f"and {more} more"] if more > 0 else [])])
    table = TABLES[step.table] if step.table else None
    columns = {
        column.name: deps
        for column in (table.columns if table else ())
        if column.parent and (deps := _column_dependencies(graph, step, column.parent))
    }
    asked = f"mitt lineage trace {step.asset} --html" if step.table == "estimates" else None
    return {
        "inputs": text or "none",
        **({"trace a number": asked} if asked else {}),
        **(
            {"dagster/column_lineage": dg.TableColumnLineage(deps_by_column=columns)}
            if columns
            else {}
        ),
    }


def _column_dependencies(graph: Graph, step: Step, parent: str) -> list[dg.TableColumnDep]:
    """Columns of the step's inputs that ``parent`` (table.column) stands for."""
    table, _, column = parent.partition(".")
    return [
        dg.TableColumnDep(asset_key=key_of(one.asset), column_name=column)
        for one in step.inputs
        if graph.step(one.asset).table == table
    ]


def _logger(
    context: dg.AssetExecutionContext, report: Callable[[Beat], None] | None
) -> Callable[[Beat], None]:
    last = [time.monotonic()]

    def log(beat: Beat) -> None:
        if report is not None:
            report(beat)
        if time.monotonic() - last[0] >= LOG_EVERY:
            last[0] = time.monotonic()
            context.log.info(beat.sentence())

    return log


def partitions_definition(
    graph: Graph, dimensions: Dimensions
) -> dg.PartitionsDefinition[str] | None:
    """Dagster's partitions for these dimensions."""
    single = {
        name: dg.StaticPartitionsDefinition(list(partitions.values(graph.study, name)))
        for name in dimensions
    }
    if not single:
        return None
    if len(single) == 1:
        return next(iter(single.values()))
    return dg.MultiPartitionsDefinition(single)


def _dependency(graph: Graph, step: Step, one: Input) -> dg.AssetDep:
    return dg.AssetDep(key_of(one.asset), partition_mapping=_mapping(graph, step, one))


def _mapping(graph: Graph, step: Step, one: Input) -> dg.PartitionMapping | None:
    """Which partitions of an input a partition reads, in Dagster's terms; None for its default."""
    up, down = graph.step(one.asset).dimensions, step.dimensions
    taken = {"language": one.languages, "model": one.models}
    if not up or not down:
        return None
    if up != down and len(up) == 1 and taken[up[0]] == (OWN,):
        return dg.MultiToSingleDimensionPartitionMapping(up[0])
    if all(taken[name] == (OWN,) for name in up):
        return dg.IdentityPartitionMapping()
    if len(up) == 1:
        return _static(graph, up[0], down[0], taken[up[0]])
    return dg.MultiPartitionMapping(
        {
            name: dg.DimensionPartitionMapping(name, _static(graph, name, name, taken[name]))
            for name in up
        }
    )


def _static(
    graph: Graph, upstream: str, downstream: str, taken: tuple[str, ...]
) -> dg.PartitionMapping:
    if taken == (OWN,):
        return dg.IdentityPartitionMapping()
    everyone = set(partitions.values(graph.study, downstream))
    readers: Mapping[str, set[str]] = {
        value: everyone if value in taken else {value}
        for value in partitions.values(graph.study, upstream)
        if value in taken or OWN in taken
    }
    return dg.StaticPartitionMapping(readers)


def _column_schema(step: Step) -> dict[str, Any]:
    if step.table is None:
        return {}
    columns = [
        dg.TableColumn(
            name=column.name,
            type=column.type,
            description=column.text,
            constraints=dg.TableColumnConstraints(nullable=column.nullable),
        )
        for column in TABLES[step.table].columns
    ]
    return {"dagster/column_schema": dg.TableSchema(columns=columns)}
