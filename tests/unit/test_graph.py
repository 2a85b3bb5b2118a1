"""The graph of the default study: what reads what, and what a change touches."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from mitt_assets import partitions
from mitt_assets.assets.chain import build_graph
from mitt_assets.assets.engines import ENGINE_CODE, SHARED_CODE
from mitt_assets.errors import StudyError
from mitt_assets.graph import Graph, Step
from mitt_assets.runner.plan import Plan, Selection, State, affinity, asked, required_inputs, select
from mitt_assets.study_file import load_study, slice_of


@pytest.fixture(scope="module")
def graph() -> Graph:
    return build_graph(load_study("organism"))


def test_consistency_reads_its_own_language_and_the_reference(graph: Graph) -> None:
    assert graph.inputs("base/consistency", "tl|llama")["segment_embeddings"] == [
        ("base/segment_embeddings", "en|llama"),
        ("base/segment_embeddings", "tl|llama"),
    ]
    assert graph.inputs("base/consistency", "en|llama")["segment_embeddings"] == [
        ("base/segment_embeddings", "en|llama")
    ]


def test_training_traces_read_only_the_source_languages(graph: Graph) -> None:
    assert graph.inputs("mitt/training_traces", "qwen")["translations"] == [("translations", "en")]
    assert len(graph.inputs("own_prefix/training_traces", "qwen")["translations"]) == 6


def test_a_given_opening_comes_from_the_base_traces_in_its_language(graph: Graph) -> None:
    assert graph.inputs("english_prefix/traces", "tl|llama")["openings"] == [
        ("base/traces", "en|llama")
    ]


def test_reports_read_every_partition_and_require_none(graph: Graph) -> None:
    assert len(graph.inputs("reports/scaling", None)["base/probes"]) == 24
    assert required_inputs(graph, ("reports/scaling", None)) == []


def test_a_new_language_changes_no_other_partitions_settings() -> None:
    study = load_study("organism")
    more = study.model_copy(update={"languages": {**study.languages, "fr": study.languages["it"]}})
    before, after = build_graph(study), build_graph(more)
    for asset, key in before.all_partitions:
        old = slice_of(study, before.settings(asset, key))
        assert old == slice_of(more, after.settings(asset, key)), (asset, key)


def test_no_setting_names_a_resource_level(graph: Graph) -> None:
    for asset, key in graph.all_partitions:
        paths = slice_of(graph.study, graph.settings(asset, key))
        assert not [path for path in paths if path.endswith(".level")], asset


def test_selecting_takes_what_is_upstream_and_nothing_else(graph: Graph) -> None:
    chosen = select(
        graph, Selection(assets=("base/consistency",), languages=("tl",), models=("qwen",))
    )
    assert ("base/segment_embeddings", "en|qwen") in chosen
    assert ("base/traces", "tl|qwen") in chosen
    assert {asset for asset, _ in chosen} == {
        "problems",
        "translations",
        "base_model",
        "sentence_encoder",
        "base/traces",
        "base/segment_embeddings",
        "base/consistency",
    }
    assert not [key for _, key in chosen if key and "llama" in key]


def test_a_selection_by_last_part_takes_every_variant(graph: Graph) -> None:
    task = ("mitt/windows", "de|llama")
    assert asked(graph, task, Selection(assets=("windows",)))
    assert not asked(graph, task, Selection(assets=("windows",), variants=("base",)))
    assert asked(graph, ("problems", None), Selection(variants=("base",)))


@pytest.mark.parametrize(
    "selection",
    [
        Selection(assets=("nothing",)),
        Selection(languages=("xx",)),
        Selection(models=("gpt",)),
        Selection(variants=("bass",)),
    ],
)
def test_an_unknown_name_is_refused(graph: Graph, selection: Selection) -> None:
    with pytest.raises(StudyError, match="there are"):
        select(graph, selection)


def test_every_step_comes_after_what_it_reads(graph: Graph) -> None:
    seen: set[str] = set()
    for step in graph.steps.values():
        assert {one.asset for one in step.inputs} <= seen
        seen.add(step.asset)


def test_a_graph_out_of_order_is_refused(graph: Graph) -> None:
    steps = list(graph.steps.values())
    with pytest.raises(ValueError, match="not made before"):
        Graph(graph.study, reversed(steps))


def test_a_failed_input_blocks_what_requires_it_but_not_the_reports(graph: Graph) -> None:
    tasks = select(graph, Selection(variants=("base",), models=("llama",)))
    plan = Plan(graph, tasks)
    plan.states.update(dict.fromkeys(tasks, State.MADE))
    plan.states["base/traces", "de|llama"] = State.FAILED
    plan.states["base/probes", "de|llama"] = State.WAITING
    plan.states["reports/scaling", None] = State.WAITING
    assert plan.blockers(("base/probes", "de|llama")) == [("base/traces", "de|llama")]
    assert plan.blockers(("reports/scaling", None)) == []
    assert ("reports/scaling", None) not in plan.ready()
    plan.states["base/probes", "de|llama"] = State.BLOCKED
    assert ("reports/scaling", None) in plan.ready()


def test_a_worker_keeps_its_model_and_variant(graph: Graph) -> None:
    ready = [("base/traces", "en|llama"), ("base/traces", "en|qwen"), ("mitt/traces", "en|qwen")]
    assert affinity(graph, ("mitt/traces", "de|qwen"), ready) == ("mitt/traces", "en|qwen")
    assert affinity(graph, None, ready) == ready[0]


def test_partition_names_are_dagsters() -> None:
    dimensions = partitions.LANGUAGE_MODEL
    assert partitions.parse(dimensions, "tl|llama") == {"language": "tl", "model": "llama"}
    assert partitions.join(dimensions, {"model": "llama", "language": "tl"}) == "tl|llama"
    assert partitions.join((), {}) is None
    with pytest.raises(StudyError, match="expected language\\|model"):
        partitions.parse(dimensions, "tl")


def test_steps_are_described() -> None:
    graph = build_graph(load_study("organism"))
    missing = [step.asset for step in graph.steps.values() if not step.text.endswith(".")]
    assert not missing
    assert all(isinstance(step, Step) for step in graph.steps.values())


def with_engine(**changes: object) -> Graph:
    study = load_study("organism")
    served = {slug: {"url": "http://127.0.0.1:1/v1", "model": "m"} for slug in study.models}
    plain = study.model_dump(mode="json")
    plain["engine"] = {**plain["engine"], "server": {"endpoints": served}, **changes}
    return build_graph(type(study).model_validate(plain))


def test_an_engine_matters_by_its_name_and_not_by_where_or_how_fast_it_runs() -> None:
    traces = ("base/traces", "tl|llama")
    plain = with_engine().slice(*traces)
    assert with_engine(name="vllm").slice(*traces) == {**plain, "engine.name": "vllm"}
    faster = {"memory_share": 0.5, "tensor_parallel": 2, "block_size": 64, "enforce_eager": True}
    vllm = with_engine(name="vllm", vllm=faster)
    assert vllm.slice(*traces) == with_engine(name="vllm").slice(*traces)
    moved = {"concurrency": 2, "timeout": 5, "attempts": 2, "key_variable": "KEY"}

    def server(url: str, name: str) -> Graph:
        study = load_study("organism")
        endpoints = {slug: {"url": url, "model": name} for slug in study.models}
        return with_engine(name="server", server={**moved, "endpoints": endpoints})

    here = server("http://127.0.0.1:1/v1", "m").slice(*traces)
    assert here == server("https://gpu.example/v1", "m").slice(*traces)
    assert here == with_engine(name="server").slice(*traces)
    assert here != server("http://127.0.0.1:1/v1", "another").slice(*traces)
    assert "KEY" not in str(here)


def test_every_module_of_the_engines_counts_for_one_of_them() -> None:
    folder = Path(find_spec("resources.engines").submodule_search_locations[0])  # type: ignore[union-attr, index]
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    counted = [*SHARED_CODE, *(name for own in ENGINE_CODE.values() for name in own)]
    assert sorted(counted) == sorted(modules)


def test_another_engines_code_makes_nothing_stale() -> None:
    code = set(build_graph(load_study("organism")).step("base/probes").code)
    assert "resources.engines.packed_probes" in code
    assert not any("vllm" in module or "server" in module for module in code)
    assert "resources.engines.vllm_worker" in with_engine(name="vllm").step("base/traces").code


@pytest.mark.parametrize(
    ("engine", "recipes", "listed"),
    [
        ("transformers", False, True),
        ("vllm", False, True),
        ("server", False, False),
        ("server", True, True),
    ],
)
def test_a_manifest_without_weights_is_another_than_one_with_them(
    engine: str, recipes: bool, listed: bool
) -> None:
    study = with_engine(name=engine).study
    if not recipes:
        study = study.model_copy(update={"variants": {"base": study.variants["base"]}})
    plain = build_graph(load_study("organism")).slice("base_model", "llama")
    expected = plain if listed else {**plain, "engine.name": "server"}
    assert build_graph(study).slice("base_model", "llama") == expected
