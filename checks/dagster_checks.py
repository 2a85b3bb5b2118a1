"""Suites as Dagster asset checks: per partition, one that blocks and one that warns.

The only file that uses what Dagster calls a preview: partitions on a check, without which a failing
German partition is hidden by an English one that passes. If that interface moves, this file moves.
"""

# No `from __future__ import annotations`: Dagster reads the type of a check's context.

import json
import time
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from checks.names import PLAUSIBLE, SOUND
from checks.suites import ON_DEVICE, module_of
from checks.verdicts import Outcome, Verdict
from mitt_assets import partitions
from mitt_assets.dagster_assets import POOL
from mitt_assets.errors import MittError
from mitt_assets.graph import Graph, Step
from mitt_assets.lineage.statement import label
from mitt_assets.materialise import Maker
from mitt_assets.retries import again, is_transient

PARTITION_TAG = "dagster/partition"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Dagster's own lines go to the instance's log; the terminal belongs to the display."""
TOLD = 12_000
"""Characters of failing rows in the metadata of one check, and of its sentences a quarter."""


def checks_of(graph: Graph, maker: Maker) -> dict[str, dg.AssetChecksDefinition]:
    """The checks of every asset, by asset."""

    def specs(step: Step) -> list[dg.AssetCheckSpec]:
        sound = "What reads this partition may rely on it; if not, nothing reads it."
        plausible = "Nothing here that a person should look at."
        return [
            partitioned_spec(graph, step, SOUND, sound, blocking=True),
            partitioned_spec(graph, step, PLAUSIBLE, plausible),
        ]

    return {step.asset: _check(step, specs(step), maker) for step in graph.steps.values()}


def partitioned_spec(
    graph: Graph, step: Step, name: str, text: str, *, blocking: bool = False
) -> dg.AssetCheckSpec:
    """A check of an asset that has an answer for every partition."""
    from mitt_assets.asset_specs import key_of
    from mitt_assets.dagster_assets import partitions_definition

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.AssetCheckSpec(
            name,
            asset=key_of(step.asset),
            description=text,
            blocking=blocking,
            partitions_def=partitions_definition(graph, step.dimensions),
        )


def judge_in_run(
    instance: dg.DagsterInstance,
    maker: Maker,
    definitions: tuple[dg.AssetsDefinition, dg.AssetChecksDefinition],
    partition: str | None,
    services: Any,
    tags: Mapping[str, str],
) -> dict[str, dg.AssetCheckEvaluation]:
    """Run the checks of what is stored, alone, as a run in the instance; what each check said.

    Dagster resolves no partition for checks without their asset, so it is given as the tags that
    it would become. Events outside a run are no way: the instance keeps one per partition for ever.
    Raises SuiteBrokenError if nothing is known about the data.
    """
    from checks.judge import SuiteBrokenError

    asset, checks = definitions
    step = maker.graph.step("/".join(asset.key.path))
    own = partitions.parse(step.dimensions, partition)
    placed = {PARTITION_TAG: partition} if partition else {}
    if len(own) > 1:
        placed |= {f"{PARTITION_TAG}/{name}": value for name, value in own.items()}
    result = dg.materialize(
        [asset, checks],
        selection=dg.AssetSelection.checks_for_assets(asset.key),
        instance=instance,
        resources={"gpu": services},
        run_config=QUIET,
        tags={**tags, **placed},
        raise_on_error=False,
    )
    said = {one.check_name: one for one in result.get_asset_check_evaluations()}
    if SOUND not in said:
        raise SuiteBrokenError(f"the checks of {label(step.asset, partition)} did not run")
    if not said[SOUND].metadata["judged"].value:
        raise SuiteBrokenError(said[SOUND].description or "")
    return said


def _check(step: Step, specs: list[dg.AssetCheckSpec], maker: Maker) -> dg.AssetChecksDefinition:
    name = f"check_{step.asset.replace('/', '__').replace('-', '_').replace('.', '_')}"

    @dg.multi_asset_check(
        specs=specs,
        name=name,
        # Other checks need no slot, and so wait for none.
        pool=POOL if module_of(step.asset) in ON_DEVICE else None,
        required_resource_keys={"gpu"},
    )
    def body(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        partition = str(context.partition_key) if context.has_partition_key else None
        clock = time.perf_counter()
        try:
            record = maker.required(step.asset, partition)
            verdict = maker.gate.judge(record, context.resources.gpu)
        except Exception as error:
            if is_transient(error):
                raise again(context, context.resources.gpu, error) from dg.Failure(str(error))
            if not isinstance(error, MittError):
                raise
            yield from _unjudged(label(step.asset, partition), error)
            return
        yield from results(verdict, time.perf_counter() - clock)

    return body


def _unjudged(place: str, error: MittError) -> Iterator[dg.AssetCheckResult]:
    """The bytes cannot be read, or the suite is broken: nothing is known about the data."""
    said = f"{place} could not be judged: {type(error).__name__}: {error}"
    for name, severity in (
        (PLAUSIBLE, dg.AssetCheckSeverity.WARN),
        (SOUND, dg.AssetCheckSeverity.ERROR),
    ):
        yield dg.AssetCheckResult(
            passed=False,
            check_name=name,
            severity=severity,
            description=said,
            metadata={"judged": False},
        )


def results(verdict: Verdict, seconds: float) -> Iterator[dg.AssetCheckResult]:
    """A verdict as results of the two checks; judging both took ``seconds``."""
    yield _result(PLAUSIBLE, verdict, verdict.warnings, seconds)
    # Last: a blocking failure ends the step where it is yielded.
    yield _result(SOUND, verdict, verdict.blocking, seconds)


def _result(
    name: str, verdict: Verdict, failed: list[Outcome], seconds: float
) -> dg.AssetCheckResult:
    critical = name == SOUND
    asked = [one for one in verdict.outcomes if (one.severity == "critical") == critical]
    return dg.AssetCheckResult(
        passed=not failed,
        check_name=name,
        severity=dg.AssetCheckSeverity.ERROR if critical else dg.AssetCheckSeverity.WARN,
        description="; ".join(one.sentence() for one in failed)[: TOLD // 4] or None,
        metadata={
            "judged": True,
            "expectations": len(asked),
            "failed": len(failed),
            "seconds": round(seconds, 3),
            "suite": verdict.suite,
            "content": verdict.content,
            "library": verdict.library,
            **({"failing rows": dg.MetadataValue.table(_table(failed))} if failed else {}),
        },
    )


def _table(failed: list[Outcome]) -> list[dg.TableRecord]:
    """Failing rows as a table of plain texts, which the UI renders as they are.

    They are cut to share the room: the verdict in the store has all that was found.
    """
    room = TOLD // len(failed)
    return [
        dg.TableRecord(
            {
                "expectation": one.says,
                "values": one.values,
                "rows": str(one.count),
                "some": _cut(json.dumps(list(one.rows), ensure_ascii=False), room),
            }
        )
        for one in failed
    ]


def _cut(text: str, room: int) -> str:
    """As much of ``text`` as takes ``room`` bytes in the event log, where letters are escaped."""
    while text and len(json.dumps(text)) > room:
        text = text[: -max(1, len(text) // 8)]
    return text
