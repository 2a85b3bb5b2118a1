"""Making what is to be made, as a run does, without a run's processes."""

from __future__ import annotations

from mitt_assets.materialise import Maker
from mitt_assets.runner.plan import Selection, select
from resources.services import StudyServices

EVERYTHING = Selection()


def make_due(maker: Maker, selection: Selection = EVERYTHING) -> None:
    """Make and judge the wanted partitions that are missing or stale, and what they need."""
    services = StudyServices(maker.graph.study, maker.scratch, "cpu")
    for task in select(maker.graph, selection):
        if maker.reasons(*task):
            maker.gate.ensure(maker.make(*task, services, "test").record, services)
    services.close()
