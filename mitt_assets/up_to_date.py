"""Whether a partition is what would be made today, as a check of its own and as a job over all.

Dagster stops answering at a hundred upstream partitions and knows nothing of the study file. This
is `mitt status` in the web interface: it warns, blocks nothing, and is no part of any verdict.
"""

# No `from __future__ import annotations`: Dagster reads the type of a check's context.

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

# No public name says which materialisation an evaluation outside its asset's run is about.
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as Target,
)

from checks.dagster_checks import partitioned_spec
from mitt_assets.asset_specs import key_of
from mitt_assets.errors import MittError
from mitt_assets.graph import Graph, Step
from mitt_assets.home import Home
from mitt_assets.lineage.staleness import Reason, damage
from mitt_assets.lineage.statement import Record, label
from mitt_assets.materialise import Maker
from mitt_assets.reporting.wording import plain
from mitt_assets.study_knowledge import MakersKnowledge

NAME = "up_to_date"
JOB, LOOK = "find_stale", "look"
LOOK_INTO = "look_into"
TOLD = 20
"""Reasons in the metadata of one evaluation; `mitt status` has them all."""
CUT = 200
"""Characters of a reason."""


def up_to_date_checks(graph: Graph, maker: Maker) -> dict[str, dg.AssetChecksDefinition]:
    """The check of every asset, by asset."""
    return {step.asset: _check(graph, step, maker) for step in graph.steps.values()}


def stale_job(graph: Graph, maker: Maker) -> dg.JobDefinition:
    """A job that answers for every partition there is, in one run."""
    settings = {
        LOOK_INTO: dg.Field(
            [str],
            default_value=[],
            description="Partitions whose stored bytes are hashed too, as base/traces[tl|llama].",
        )
    }

    @dg.op(name=LOOK, out={}, config_schema=settings)
    def look(context: dg.OpExecutionContext) -> Iterator[dg.AssetCheckEvaluation]:
        into = set(context.op_config[LOOK_INTO])
        if unknown := into - {label(*key) for key in graph.all_partitions}:
            raise dg.Failure(
                f"{LOOK_INTO}: {', '.join(sorted(unknown))} is no partition of this study; one is"
                " written as base/traces[tl|llama], as `mitt status` lists them"
            )
        stale = 0
        for key in graph.all_partitions:
            reasons = what_changed(maker, *key, look_inside=label(*key) in into)
            if any(one.kind == "missing" for one in reasons):
                continue
            if reasons:
                stale += 1
                context.log.warning(f"{label(*key)}: {told(reasons)}")
            yield _evaluation(context.instance, key, reasons)
        context.log.info(f"{stale} partition(s) are not what would be made today.")

    @dg.job(name=JOB, description="Is every partition what would be made today? Makes nothing.")
    def job() -> None:
        look()

    return job


def what_changed(
    maker: Maker, asset: str, partition: str | None, *, look_inside: bool
) -> list[Reason]:
    """Why a partition is not what would be made today; ``look_inside`` hashes its own bytes too."""
    reasons = maker.reasons(asset, partition)
    if any(one.kind in ("missing", "damaged") for one in reasons):
        return reasons
    record = maker.required(asset, partition)
    return [
        *reasons,
        *(damage(maker.store, record) if look_inside else ()),
        *_weights(maker, Home(maker.graph.study).cache, record),
    ]


def told(reasons: Sequence[Reason]) -> str:
    """The first reasons in words."""
    said = [one.sentence()[:CUT] for one in reasons[:TOLD]]
    more = [f"and {len(reasons) - TOLD} more"] if len(reasons) > TOLD else []
    return plain("; ".join([*said, *more]))


def _weights(maker: Maker, cache: Path, record: Record) -> list[Reason]:
    """Files of a model or an encoder that are not those that were recorded."""
    place = label(record.asset, record.partition)
    try:
        now = MakersKnowledge(maker, cache).weights(record)
    except MittError as error:
        return [Reason("damaged", f"the files of {place}", "all", str(error))]
    return [
        Reason("input", f"file {name}", record.materials.get(name), now.get(name))
        for name in sorted({*record.materials, *now} if now is not None else ())
        if now is not None and record.materials.get(name) != now.get(name)
    ]


def _check(graph: Graph, step: Step, maker: Maker) -> dg.AssetChecksDefinition:
    spec = partitioned_spec(
        graph,
        step,
        NAME,
        "Made from what is there now: no input, setting, code or file has changed since.",
    )

    @dg.multi_asset_check(specs=[spec], name=f"{NAME}_{spec.asset_key.to_python_identifier()}")
    def body(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        partition = str(context.partition_key) if context.has_partition_key else None
        reasons = what_changed(maker, step.asset, partition, look_inside=True)
        yield dg.AssetCheckResult(check_name=NAME, **_answer(reasons))

    return body


def _answer(reasons: Sequence[Reason]) -> dict[str, Any]:
    """What an evaluation says; a warning, since what is stale may be read nevertheless."""
    return {
        "passed": not reasons,
        "severity": dg.AssetCheckSeverity.WARN,
        "description": told(reasons) or None,
        "metadata": {"reasons": len(reasons)},
    }


def _evaluation(
    instance: dg.DagsterInstance, key: tuple[str, str | None], reasons: Sequence[Reason]
) -> dg.AssetCheckEvaluation:
    """The answer for one partition, about its latest materialisation."""
    asset, partition = key
    wanted = dg.AssetRecordsFilter(
        key_of(asset), asset_partitions=[partition] if partition else None
    )
    about = [
        Target(storage_id=one.storage_id, run_id=one.run_id, timestamp=one.timestamp)
        for one in instance.fetch_materializations(wanted, limit=1).records
    ]
    return dg.AssetCheckEvaluation(
        key_of(asset),
        NAME,
        target_materialization_data=about[0] if about else None,
        partition=partition,
        **_answer(reasons),
    )
