"""What `mitt run` tells the web interface of a finished study: enough, and not too much."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster_shared.serdes import serialize_value

from checks.names import PLAUSIBLE, SOUND
from mitt_assets.asset_specs import key_of
from mitt_assets.home import Home, open_maker
from mitt_assets.lineage.statement import label
from mitt_assets.materialise import Made, Maker
from mitt_assets.shown.metadata import MOST, metadata_of
from mitt_assets.tables import TABLES
from mitt_assets.up_to_date import NAME

CHARTED = {"traces", "probes", "windows", "consistency", "estimates"}
Shown = dict[tuple[str, str | None], dg.AssetMaterialization]


@pytest.fixture(scope="module")
def maker(finished: tuple[Path, Path]) -> Iterator[Maker]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MITT_HOME", str(finished[0]))
        yield open_maker(str(finished[1]))


@pytest.fixture(scope="module")
def instance(maker: Maker, finished: tuple[Path, Path]) -> Iterator[dg.DagsterInstance]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MITT_HOME", str(finished[0]))
        folder = Home(maker.graph.study).dagster
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        yield instance


@pytest.fixture(scope="module")
def shown(maker: Maker, instance: dg.DagsterInstance) -> Shown:
    """The latest materialisation of every partition."""
    found: Shown = {}
    for asset, key in maker.graph.all_partitions:
        wanted = dg.AssetRecordsFilter(key_of(asset), asset_partitions=[key] if key else None)
        (one,) = instance.fetch_materializations(wanted, limit=1).records
        assert one.asset_materialization is not None
        found[asset, key] = one.asset_materialization
    return found


def test_no_materialisation_costs_more_than_20_kb_of_metadata(shown: Shown) -> None:
    costs = {label(*task): len(serialize_value(one.metadata)) for task, one in shown.items()}
    assert {place: bytes_ for place, bytes_ in costs.items() if bytes_ > MOST} == {}
    assert MOST == 20_000


@pytest.mark.parametrize(
    ("told", "left_out"),
    [
        (10, ()),
        (15, ("some rows",)),
        (17, ("some rows", "chart")),
        (30, ("some rows", "chart", "note")),
    ],
)
def test_what_would_cost_more_is_left_out_and_named(
    maker: Maker, told: int, left_out: tuple[str, ...]
) -> None:
    """However much a step has to say, in kB; what everybody needs stays."""
    record = maker.required("base/traces", "tl|llama")
    said = {"note": "x" * 1_000 * told, "traces": 6}
    made = Made(record, 2.0, 1.0, said, maker.store.table(record), 100)
    found = metadata_of(maker.graph, Home(maker.graph.study), maker.store, made)
    kept = dg.AssetMaterialization("any", metadata=found).metadata
    assert len(serialize_value(kept)) <= MOST
    assert {"note", "some rows", "chart"} - found.keys() == set(left_out)
    assert str(found.get("left out", "")).startswith(", ".join(left_out))
    assert found.keys() >= {"traces", "dagster/row_count", "digest", "statement", "inputs"}


def test_no_check_costs_more_either(maker: Maker, instance: dg.DagsterInstance) -> None:
    for asset in maker.graph.steps:
        for name in (SOUND, PLAUSIBLE, NAME):
            key = dg.AssetCheckKey(key_of(asset), name)
            history = instance.event_log_storage.get_asset_check_execution_history(key, limit=100)
            assert history
            for one in history:
                assert one.event is not None
                assert len(serialize_value(one.event.dagster_event)) <= MOST


def test_no_trace_is_in_the_event_log_as_it_was_written(maker: Maker, shown: Shown) -> None:
    asset, key = "base/traces", "tl|llama"
    texts = maker.store.table(maker.required(asset, key))["text"].to_list()
    said = serialize_value(shown[asset, key].metadata)
    assert max(map(len, texts)) > 200
    assert not any(text in said for text in texts if len(text) > 200)


def test_rows_are_counted_and_some_shown(maker: Maker, shown: Shown) -> None:
    for (asset, key), one in shown.items():
        table = maker.graph.step(asset).table
        if table is None:
            assert "dagster/row_count" not in one.metadata
            continue
        height = maker.store.table(maker.required(asset, key)).height
        assert one.metadata["dagster/row_count"].value == height
        rows = one.metadata["some rows"]
        assert isinstance(rows, dg.TableMetadataValue)
        assert len(rows.records) == min(10, height)
        assert rows.records[0].data.keys() <= set(TABLES[table].names)


def test_every_key_chart_is_a_picture(maker: Maker, shown: Shown) -> None:
    for (asset, _), one in shown.items():
        if maker.graph.step(asset).table in CHARTED or asset.endswith("/adapter"):
            chart = one.metadata["chart"]
            assert isinstance(chart, dg.MarkdownMetadataValue), asset
            assert "](data:image/png;base64,iVBOR" in str(chart.value)


@pytest.mark.parametrize(
    ("asset", "number"),
    [
        ("base/probes", "accuracy at the end"),
        ("base/windows", "drift share"),
        ("base/traces", "tokens/s"),
        ("mitt/adapter", "last loss"),
        ("reports/scaling", "accuracy"),
        ("reports/variant_effects", "effect"),
        ("reports/drift", "drift share"),
        ("reports/tokens", "thinking tokens"),
    ],
)
def test_numbers_that_are_plotted_over_time(shown: Shown, asset: str, number: str) -> None:
    values = [one.metadata[number] for (name, _), one in shown.items() if name == asset]
    assert values
    assert all(isinstance(one, dg.FloatMetadataValue) for one in values)


def test_reports_link_to_the_page_and_to_traces(shown: Shown) -> None:
    report = shown["reports/drift", None].metadata
    assert report["trace a number"].value == "http://127.0.0.1:3001/mini/trace/reports/drift"
    assert report["report"].value == "http://127.0.0.1:3001/mini/report/report.html"
    page = shown["reports/study", None].metadata
    assert Path(str(page["report file"].value)).is_file()


def test_inputs_are_named_and_columns_lead_to_those_of_the_inputs(shown: Shown) -> None:
    told = shown["base/probes", "de|llama"].metadata
    assert "base/traces[de|llama] " in str(told["inputs"].value)
    columns = told["dagster/column_lineage"].value.deps_by_column
    assert columns["trace_id"] == [dg.TableColumnDep(key_of("base/traces"), "trace_id")]


def test_runs_are_found_by_language_model_and_variant(instance: dg.DagsterInstance) -> None:
    tags = {"mitt/language": "tl", "mitt/model": "llama", "mitt/variant": "mitt"}
    runs = instance.get_runs(dg.RunsFilter(tags=tags))
    assert {run.tags["dagster/partition"] for run in runs} == {"tl|llama"}
    assert len(runs) == 5
    assert all(run.tags["mitt/study"] == "mini" for run in runs)


@pytest.mark.parametrize(
    ("asset", "partition", "doing"),
    [
        ("base/traces", "tl|llama", "generating"),
        ("base/probes", "tl|llama", "probing"),
        ("mitt/adapter", "llama", "training"),
    ],
)
def test_the_log_of_a_run_says_what_is_waited_for_done_and_left(
    maker: Maker, instance: dg.DagsterInstance, asset: str, partition: str, doing: str
) -> None:
    run = maker.required(asset, partition).run_id
    said = [one.user_message for one in instance.all_logs(run)]
    waiting = said.index("waiting for llama to load")
    done = [line for line in said[waiting:] if line.startswith(f"{doing}: ")]
    assert done
    assert any("tokens/s" in line or "loss" in line for line in done)
    assert any(line.startswith("Made and stored in") for line in said[waiting:])
