"""Automation asks for exactly what changed inputs affect, and only on proven data.

Nothing is computed: what happened is told to the instance as the runs would tell it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import dagster as dg
import pytest
import yaml
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as Target,
)

from checks.dagster_checks import checks_of
from checks.names import SOUND
from mitt_assets.asset_specs import key_of
from mitt_assets.assets.chain import build_graph
from mitt_assets.automation import automation_sensor
from mitt_assets.dagster_assets import assets_of
from mitt_assets.graph import Graph
from mitt_assets.home import Home
from mitt_assets.materialise import Maker
from mitt_assets.study_file import parse
from tests.conftest import MINIATURE

Task = tuple[str, str | None]
TAGALOG: Task = ("translations", "tl")


@pytest.fixture(scope="module")
def graph() -> Graph:
    variants = {"base": {}, "mitt": MINIATURE["variants"]["mitt"]}  # type: ignore[index]
    statistics = {"resamples": 100, "comparisons": [["mitt", "base"]]}
    return build_graph(
        parse(yaml.safe_dump({**MINIATURE, "variants": variants, "statistics": statistics}))
    )


@pytest.fixture(scope="module")
def definitions(graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MITT_HOME", str(tmp_path_factory.mktemp("home")))
        home = Home(graph.study)
        maker = Maker(graph, home.store(), home.scratch)
        return dg.Definitions(
            assets=list(assets_of(graph, maker).values()),
            asset_checks=list(checks_of(graph, maker).values()),
            resources={"gpu": dg.ResourceDefinition.none_resource()},
        )


@dataclass
class World:
    """An instance, what happens in it, and what automation asks for next."""

    graph: Graph
    definitions: dg.Definitions
    instance: dg.DagsterInstance
    cursor: object = None
    names: dict[dg.AssetKey, str] = field(default_factory=dict)

    def made(self, tasks: Iterable[Task], version: str) -> None:
        """The partitions were made, with this content."""
        self._happened(
            dg.AssetMaterialization(
                key_of(asset), partition=key, tags={"dagster/data_version": version}
            )
            for asset, key in tasks
        )

    def judged(self, tasks: Iterable[Task], *, passed: bool) -> None:
        """The blocking check of what was made last said so."""
        self._happened(
            dg.AssetCheckEvaluation(
                key_of(asset), SOUND, passed, partition=key,
                target_materialization_data=self._latest(asset, key),
            )
            for asset, key in tasks
        )  # fmt: skip

    def asked(self) -> set[Task]:
        """What one tick of the daemon asks for."""
        result = dg.evaluate_automation_conditions(
            self.definitions,
            self.instance,
            cursor=self.cursor,  # type: ignore[arg-type]
        )
        self.cursor = result.cursor
        return {
            (asset, key)
            for asset in self.graph.steps
            for key in result.get_requested_partitions(key_of(asset))
        }

    def _latest(self, asset: str, key: str | None) -> Target:
        wanted = dg.AssetRecordsFilter(key_of(asset), asset_partitions=[key] if key else None)
        (one,) = self.instance.fetch_materializations(wanted, limit=1).records
        return Target(storage_id=one.storage_id, run_id=one.run_id, timestamp=one.timestamp)

    def _happened(
        self, events: Iterable[dg.AssetMaterialization | dg.AssetCheckEvaluation]
    ) -> None:
        told = list(events)

        @dg.op(out={})
        def tell() -> Iterator[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
            yield from told

        @dg.job
        def job() -> None:
            tell()

        assert job.execute_in_process(instance=self.instance).success


@pytest.fixture
def world(graph: Graph, definitions: dg.Definitions) -> Iterator[World]:
    """Everything was made and passed, and automation has seen it."""
    with dg.DagsterInstance.ephemeral() as instance:
        one = World(graph, definitions, instance)
        one.made(graph.all_partitions, "first")
        one.judged(graph.all_partitions, passed=True)
        assert one.asked() == set()
        yield one


def readers(graph: Graph, task: Task) -> set[Task]:
    """The partitions that read a partition."""
    return {
        one
        for one in graph.all_partitions
        for pairs in graph.inputs(*one).values()
        if task in pairs
    }


def chain(tasks: Iterable[Task]) -> set[Task]:
    return {task for task in tasks if not task[0].startswith("reports/")}


def test_it_is_off_until_somebody_turns_it_on() -> None:
    assert automation_sensor().default_status == dg.DefaultSensorStatus.STOPPED


def test_a_changed_translation_asks_for_its_own_traces_and_what_follows(world: World) -> None:
    world.made([TAGALOG], "second")
    world.judged([TAGALOG], passed=True)
    asked = world.asked()
    traces: set[Task] = {("base/traces", "tl|llama"), ("mitt/traces", "tl|llama")}
    # Probes read the translation too, but wait for the traces that it changes.
    assert asked == {*traces, ("mitt/training_set", "llama"), ("reports/study", None)}
    assert asked < readers(world.graph, TAGALOG)
    world.made(asked, "second")
    world.judged(asked, passed=True)
    following = {(f"base/{one}", "tl|llama") for one in ("probes", "windows", "segment_embeddings")}
    assert {task for task in world.asked() if task[0].startswith("base/")} == following


def test_equal_bytes_ask_for_nothing(world: World) -> None:
    world.made([TAGALOG], "first")
    world.judged([TAGALOG], passed=True)
    assert world.asked() == set()


def test_nothing_is_built_on_what_failed_until_it_passes(world: World) -> None:
    world.made([TAGALOG], "wrong")
    assert chain(world.asked()) == set()  # nobody has judged it yet
    world.judged([TAGALOG], passed=False)
    assert chain(world.asked()) == set()
    world.made([TAGALOG], "mended")
    world.judged([TAGALOG], passed=True)
    assert ("base/traces", "tl|llama") in world.asked()


def test_one_failed_partition_of_an_input_is_enough_to_stop(world: World) -> None:
    english, german = (("base/segment_embeddings", f"{one}|llama") for one in ("en", "de"))
    world.made([english, german], "second")
    world.judged([english], passed=False)
    world.judged([german], passed=True)
    # Every language is compared with English, so none may be.
    assert chain(world.asked()) == set()
    world.made([english], "third")
    world.judged([english], passed=True)
    assert chain(world.asked()) == chain(readers(world.graph, english))


def test_reports_do_without_what_is_refused(world: World) -> None:
    traces = ("base/traces", "de|llama")
    world.made([traces], "wrong")
    world.judged([traces], passed=False)
    asked = world.asked()
    assert chain(asked) == set()
    assert asked == {task for task in readers(world.graph, traces) if task not in chain([task])}


def test_turned_on_it_goes_on_from_what_happens_next(
    graph: Graph, definitions: dg.Definitions
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(graph, definitions, instance)
        assert world.asked() == set()
        roots: list[Task] = [("problems", None), ("base_model", "llama")]
        world.made(roots, "first")
        assert world.asked() == set()
        world.judged(roots, passed=True)
        assert world.asked() == {("translations", one) for one in ("en", "de", "tl")}
