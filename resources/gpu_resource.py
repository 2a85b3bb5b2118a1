"""The GPU as Dagster sees it: it makes the gateways for a run and frees the device afterwards."""

# No `from __future__ import annotations`: Dagster reads which fields are dependencies.

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import dagster as dg
from pydantic import Field

from mitt_assets.processes import own_tags
from mitt_assets.study import Study
from resources.services import StudyServices


class GPUResource(dg.ConfigurableResource):
    """Chooses device, arithmetic, attention and memory share; ``resources.compute`` says how.

    Steps that use the device hold the pool ``gpu``. The study and its folder for file digests are
    no settings of a run: another study's models would be recorded under this one.
    """

    study: dg.ResourceDependency[Study]
    cache: dg.ResourceDependency[Path]
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="Where models compute; auto takes the study's choice."
    )

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[StudyServices]:
        """The gateways of one run; the device is freed when it ends.

        The run is told its process here, before its first step queues for the device.
        """
        if context.run is not None and context.instance is not None:
            context.instance.add_run_tags(context.run.run_id, own_tags())
        services = StudyServices(
            self.study, self.cache, device=None if self.device == "auto" else self.device
        )
        try:
            yield services
        finally:
            services.close()
