"""Steps as Dagster assets: the same graph, seen by the UI, the daemon and ``dg.materialize``."""

# No `from __future__ import annotations`: Dagster reads the type of a step's context.

import warnings
from collections.abc import Callable, Mapping

import dagster as dg

from mitt_assets import partitions
from mitt_assets.asset_specs import described, key_of, tags_of_run
from mitt_assets.automation import condition_of
from mitt_assets.errors import MittError
from mitt_assets.graph import OWN, Graph, Input, Step
from mitt_assets.home import REPORT_ASSET, Home
from mitt_assets.launchpad import LOG_EVERY, run_settings
from mitt_assets.materialise import Made, Maker
from mitt_assets.partitions import Dimensions
from mitt_assets.retries import again, is_transient
from mitt_assets.run_log import EVERY, RunLog, duration
from mitt_assets.shown.metadata import metadata_of
from mitt_assets.standing import code_of
from mitt_assets.work import Beat

POOL = "gpu"


def assets_of(
    graph: Graph, maker: Maker, report: Callable[[Beat], None] | None = None
) -> dict[str, dg.AssetsDefinition]:
    """One Dagster asset per step. ``report`` receives progress beside the run's own log."""
    with warnings.catch_warnings():
        # Partition mappings are beta in 1.13; the exact pin is what guards against their changes.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return {step.asset: _asset(graph, step, maker, report) for step in graph.steps.values()}


def _asset(
    graph: Graph, step: Step, maker: Maker, report: Callable[[Beat], None] | None
) -> dg.AssetsDefinition:
    home = Home(graph.study)

    @dg.asset(
        key=key_of(step.asset),
        deps=[_dependency(graph, step, one) for one in step.inputs],
        partitions_def=partitions_definition(graph, step.dimensions),
        code_version=code_of(step),
        pool=POOL if step.gpu else None,
        required_resource_keys={"gpu"},
        config_schema=run_settings() if step.gpu else None,
        automation_condition=condition_of(step),
        **described(graph, step),
    )
    def body(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        partition = str(context.partition_key) if context.has_partition_key else None
        own = partitions.parse(step.dimensions, partition)
        context.instance.add_run_tags(context.run_id, tags_of_run(graph, step, own))
        made = _made(context, step, partition, maker, report)
        if step.asset == REPORT_ASSET:
            home.publish_report(maker.store)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(made.record.content),
            metadata=metadata_of(graph, home, maker.store, made),
        )

    return body


def _made(
    context: dg.AssetExecutionContext,
    step: Step,
    partition: str | None,
    maker: Maker,
    report: Callable[[Beat], None] | None,
) -> Made:
    """One partition, made in a run of Dagster: its log, and what it does about errors."""
    settings = context.op_execution_context.op_config or {}
    log = RunLog(context.log.info, settings.get(LOG_EVERY, EVERY))
    services = context.resources.gpu

    def heard(beat: Beat) -> None:
        log.hear(beat)
        if report is not None:
            report(beat)

    try:
        made = maker.make(step.asset, partition, services, context.run_id, heard)
    except Exception as error:
        if is_transient(error):
            raise again(context, services, error) from dg.Failure(str(error))
        if isinstance(error, MittError):
            raise dg.Failure(description=str(error), allow_retries=False) from error
        raise
    context.log.info(f"Made and stored in {duration(made.seconds)}; its checks come next.")
    return made


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
