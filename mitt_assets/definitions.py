"""The one Definitions object: what ``workspace.yaml`` and ``dg dev`` load.

``MITT_STUDY`` chooses the study and ``MITT_HOME`` where its results are.
"""

from __future__ import annotations

import dagster as dg

from checks.dagster_checks import checks_of
from mitt_assets.assets.chain import build_graph
from mitt_assets.audit_asset import audit_of
from mitt_assets.backfills import reports_after_backfill
from mitt_assets.dagster_assets import assets_of
from mitt_assets.graph import Graph
from mitt_assets.home import Home
from mitt_assets.materialise import Maker
from mitt_assets.study_file import find, load_study
from resources.gpu_resource import GPUResource


def build(graph: Graph | None = None) -> dg.Definitions:
    """Assets of the chosen study over its home, or of another graph of it."""
    graph = graph or build_graph(load_study())
    study = graph.study
    home = Home(study)
    maker = Maker(graph, home.store(), home.scratch)
    audit = audit_of(maker, home)
    return dg.Definitions(
        assets=[*assets_of(graph, maker).values(), *audit["assets"]],
        asset_checks=list(checks_of(graph, maker).values()),
        jobs=audit["jobs"],
        schedules=audit["schedules"],
        sensors=[reports_after_backfill(graph)],
        resources={"gpu": GPUResource(study=str(find()), cache=str(home.cache))},
        executor=dg.in_process_executor,
    )


defs = build()
