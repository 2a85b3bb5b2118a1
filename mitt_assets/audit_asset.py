"""The audit as Dagster sees it: an asset whose checks are kinds of findings, and its schedule."""

# No `from __future__ import annotations`: Dagster reads the type of a step's context.

from collections.abc import Iterator
from typing import Any

import dagster as dg

from mitt_assets.asset_specs import group_of, owners_of
from mitt_assets.home import Home
from mitt_assets.lineage.findings import INTEGRITY, KINDS, Finding
from mitt_assets.materialise import Maker

NAME = "audit"
NIGHTLY = "0 3 * * *"
SHOWN = 20
"""Findings of a kind in the metadata of its check; ``mitt lineage audit --json`` has them all."""
KEYLESS = tuple(kind for kind in KINDS if kind != "unsigned")
"""Kinds that are looked for without a key."""


def audit_of(maker: Maker, home: Home) -> dict[str, Any]:
    """The asset, a job that makes it, and a schedule that is off until somebody turns it on."""
    specs = [dg.AssetCheckSpec(kind, asset=NAME, description=KINDS[kind]) for kind in KEYLESS]

    @dg.asset(
        name=NAME,
        group_name=group_of("lineage"),
        owners=owners_of(maker.graph.study),
        check_specs=specs,
        kinds={"file"},
        description="Everything hashed again, every record followed, every number made again.",
    )
    def body(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        from mitt_assets.lineage.audit import audit
        from mitt_assets.study_knowledge import MakersKnowledge

        found = audit(home.path, MakersKnowledge(maker), progress=context.log.info)
        return dg.MaterializeResult(
            metadata={
                **{name: int(count) for name, count in found.counts.items()},
                "findings": len(found.findings),
                "content root": found.content_root or "not all can be read",
                "statement root": found.statement_root or "not all can be read",
                "seconds": round(found.seconds, 2),
            },
            check_results=list(_results(found.findings)),
        )

    job = dg.define_asset_job(
        "audit_home", dg.AssetSelection.assets(NAME), description="Audits the study's home."
    )
    schedule = dg.ScheduleDefinition(
        name="audit_nightly",
        job=job,
        cron_schedule=NIGHTLY,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Off until it is turned on.",
    )
    return {"assets": [body], "jobs": [job], "schedules": [schedule]}


def _results(findings: tuple[Finding, ...]) -> Iterator[dg.AssetCheckResult]:
    for kind in KEYLESS:
        some = [one for one in findings if one.kind == kind]
        severe = kind in INTEGRITY
        yield dg.AssetCheckResult(
            check_name=kind,
            passed=not some,
            severity=dg.AssetCheckSeverity.ERROR if severe else dg.AssetCheckSeverity.WARN,
            description="; ".join(f"{one.place}: {one.found}" for one in some[:3]) or None,
            metadata={"findings": len(some), **({"some": _table(some)} if some else {})},
        )


def _table(findings: list[Finding]) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        [
            dg.TableRecord({"where": one.place, "found": one.found, "what to do": one.remedy})
            for one in findings[:SHOWN]
        ]
    )
