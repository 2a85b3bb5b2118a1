"""The one Definitions object: what ``workspace.yaml`` and ``dg dev`` load.

``MITT_STUDY`` chooses the study and ``MITT_HOME`` where its results are.
"""

from __future__ import annotations

import dagster as dg

from checks.dagster_checks import checks_of
from mitt_assets.assets.chain import build_graph
from mitt_assets.audit_asset import audit_of
from mitt_assets.automation import automation_sensor
from mitt_assets.backfills import reports_after_backfill
from mitt_assets.collector import relax
from mitt_assets.dagster_assets import assets_of
from mitt_assets.graph import Graph
from mitt_assets.home import Home
from mitt_assets.materialise import Maker
from mitt_assets.presets import presets
from mitt_assets.study_file import find, load_study
from mitt_assets.threads import one_thread_unless_set
from mitt_assets.up_to_date import stale_job, up_to_date_checks
from mitt_assets.watched import changed_files
from resources.gpu_resource import GPUResource

# In the code location and in every process that it starts for a run, before torch is loaded.
one_thread_unless_set()
relax()


def build(graph: Graph | None = None) -> dg.Definitions:
    """Assets of the chosen study over its home, or of another graph of it."""
    graph = graph or build_graph(load_study())
    study = graph.study
    home = Home(study)
    maker = Maker(graph, home.store(), home.scratch)
    audit, stale = audit_of(maker, home), stale_job(graph, maker)
    return dg.Definitions(
        assets=[*assets_of(graph, maker).values(), *audit["assets"]],
        asset_checks=[
            *checks_of(graph, maker).values(),
            *up_to_date_checks(graph, maker).values(),
        ],
        jobs=[*presets(graph, maker), stale, *audit["jobs"]],
        schedules=audit["schedules"],
        sensors=[
            automation_sensor(),
            reports_after_backfill(graph),
            changed_files(maker, stale, find()),
        ],
        resources={"gpu": GPUResource(study=study, cache=home.cache)},
        executor=dg.in_process_executor,
    )


defs = build()
