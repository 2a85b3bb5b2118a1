"""Bad German data stops German and nothing else, in the run that made it and in every later one."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from checks.dagster_checks import checks_of
from checks.gate import Gate
from mitt_assets import load
from mitt_assets.dagster_assets import assets_of
from mitt_assets.graph import Graph
from mitt_assets.home import Home, open_maker
from mitt_assets.lineage.statement import Record
from mitt_assets.lineage.store import write_table
from mitt_assets.materialise import Maker
from mitt_assets.work import TABLE_FILE, Product, Work
from resources.services import StudyServices
from tests.commandline import Said, invoke, mitt


@pytest.fixture
def study(finished: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The finished miniature study in a home of the test's own."""
    shutil.copytree(finished[0], tmp_path / "copy", symlinks=True)
    monkeypatch.setenv("MITT_HOME", str(tmp_path / "copy"))
    return finished[1]


def wrong_seeds(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(seed=pl.col("seed") + 1)


def break_german(study: Path) -> None:
    """German base traces with seeds that are not theirs, committed as if a run had made them."""
    store = open_maker(str(study)).store
    sound = store.current("base/traces", "de|llama")
    assert sound is not None
    store.commit(sound, {TABLE_FILE: write_table(wrong_seeds(store.table(sound)))})


def check_german(study: Path) -> Said:
    return invoke("check", "--study", str(study), "--select", "base/traces", "--language", "de")


def states(study: Path) -> dict[tuple[str, str | None], str | None]:
    said = json.loads(mitt("status", "--study", str(study), "--json"))
    return {(one["asset"], one["partition"]): one["statement"] for one in said["partitions"]}


def report_of(study: Path) -> str:
    maker = open_maker(str(study))
    record = maker.required("reports/study", None)
    return maker.store.read(record, "report.html").decode("utf-8")


def test_a_fresh_process_is_refused_by_whatever_way_it_comes(study: Path) -> None:
    break_german(study)
    assert check_german(study).exit_code == 1
    maker = open_maker(str(study))
    with StudyRun(maker) as run:
        refused = run("base/windows", "de|llama")
        assert not refused.success
        (failure,) = [one for one in refused.all_events if one.is_step_failure]
        told = str(failure.step_failure_data.user_failure_data.description)
        assert "base/traces[de|llama]" in told
        assert "mitt check" in told
        assert run("base/windows", "en|llama").success


def test_refused_data_are_given_out_with_a_word_of_it(study: Path, tmp_path: Path) -> None:
    break_german(study)
    assert check_german(study).exit_code == 1
    with pytest.warns(UserWarning, match=r"base/traces\[de\|llama\], whose checks failed"):
        assert load("base/traces", language="de", study=str(study)).height
    out = tmp_path / "out"
    said = invoke("export", str(out), "--study", str(study), "--select", "base/traces")
    assert "Refused by its checks: base/traces[de|llama]" in said.output
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    refused = {one["partition"]: one["refused"] for one in manifest.values()}
    assert "the seed is" in refused["de|llama"]
    assert refused["en|llama"] is None


def test_what_nobody_judged_is_judged_before_it_is_read(study: Path) -> None:
    break_german(study)
    maker = open_maker(str(study))
    german = maker.required("base/traces", "de|llama")
    assert maker.gate.verdict(german) is None
    with StudyRun(maker) as run:
        assert run("base/windows", "en|llama").success
        assert not run("base/windows", "de|llama").success
    assert open_maker(str(study)).gate.refusal(german) is not None


def test_a_forged_or_damaged_verdict_or_acceptance_opens_nothing(study: Path) -> None:
    break_german(study)
    assert check_german(study).exit_code == 1
    storage = open_maker(str(study)).store.storage

    def gate_and_pointer(partition: str) -> tuple[Gate, Record, str]:
        maker = open_maker(str(study))
        record = maker.required("base/traces", partition)
        name = f"{record.content[:2]}/{record.content}-{maker.gate.suite(record)}.json"
        return maker.gate, record, name

    _, _, german = gate_and_pointer("de|llama")
    for forged in (b"{}", b"xx{", b'{"by":"Eve","reason":"fine"}'):
        storage.write_pointer(f"overrides/{german}", forged)
        gate, record, _ = gate_and_pointer("de|llama")
        assert gate.override(record) is None
        assert gate.refusal(record) is not None
    _, _, english = gate_and_pointer("en|llama")
    passed = storage.read_pointer(f"verdicts/{english}")
    assert passed is not None
    for forged in (passed, b"", b"{}", b'{"verdict":"absent"}'):
        storage.write_pointer(f"verdicts/{german}", forged)
        gate, record, _ = gate_and_pointer("de|llama")
        assert gate.verdict(record) is None
    assert check_german(study).exit_code == 1


def test_run_judges_what_is_stored_without_a_verdict(study: Path) -> None:
    maker = open_maker(str(study))
    for name in maker.store.storage.pointers("verdicts/"):
        maker.store.storage.remove_pointer(name)
    said = mitt("run", "--study", str(study), "--jobs", "1", "--select", "translations")
    assert "4 judged only" in said
    assert "4 up to date" in mitt("run", "--study", str(study), "--select", "translations")


def test_a_failing_check_stops_its_own_run_and_stands_on_its_partition(study: Path) -> None:
    maker = open_maker(str(study))
    step = maker.graph.step("base/traces")

    def broken(work: Work) -> Product:
        product = step.make(work)
        assert product.frame is not None
        if work.own["language"] == "de":
            product.frame = wrong_seeds(product.frame)
        return product

    steps = {**maker.graph.steps, "base/traces": replace(step, make=broken)}
    graph = Graph(maker.graph.study, steps.values())
    both = ("base/traces", "base/windows")
    with StudyRun(Maker(graph, maker.store, maker.scratch)) as run:
        assert run(both, "en|llama").success
        result = run(both, "de|llama")
        assert not result.success
        made = {event.asset_key.path[-1] for event in result.get_asset_materialization_events()}
        assert made == {"traces"}
        (sound,) = [
            one for one in result.get_asset_check_evaluations() if one.check_name == "sound"
        ]
        assert (sound.passed, sound.partition) == (False, "de|llama")
        rows = str(sound.metadata["failing rows"])
        traces = maker.store.table(maker.required("base/traces", "de|llama"))["trace_id"]
        assert all(one in rows for one in traces)


def test_an_acceptance_is_recorded_shown_and_can_be_withdrawn(study: Path) -> None:
    break_german(study)
    assert check_german(study).exit_code == 1
    assert check_german(study).exit_code == 1  # and it can be asked again
    chosen = ("--study", str(study), "--select", "base/traces", "--language", "de")
    mitt("accept", *chosen, "--by", "Ann", "--reason", "known <b>seeds</b>")
    mitt("run", "--study", str(study), "--jobs", "1")
    page = report_of(study)
    assert "Used although a check failed" in page
    assert "Accepted by Ann" in page
    assert "<b>seeds" not in page
    probes = open_maker(str(study)).required("base/probes", "de|llama")
    assert [one["asset"] for one in probes.overrides] == ["base/traces"]
    mitt("accept", *chosen, "--by", "Ann", "--reason", "changed my mind", "--withdraw")
    before = states(study)
    said = invoke("run", "--study", str(study), "--jobs", "1")
    assert said.exit_code == 1
    assert "base/traces[de|llama] is refused by its checks: the seed is drawn" in said.output
    assert "mitt check --select base/traces --language de --model llama" in said.output
    assert "not made because base/traces[de|llama] is refused" in said.output
    german_stops_and_english_goes_on(study, before)


def german_stops_and_english_goes_on(
    study: Path, before: dict[tuple[str, str | None], str | None]
) -> None:
    """Of all that was there ``before``, a run with German refused made the reports only."""
    after = states(study)
    moved = {
        asset for asset, partition in before if before[asset, partition] != after[asset, partition]
    }
    assert moved <= {asset for asset, _ in before if asset.startswith("reports/")}
    assert "Used although a check failed" not in report_of(study)
    assert "whose checks failed" in report_of(study)
    maker = open_maker(str(study))
    scaling = maker.store.table(maker.required("reports/scaling", None))
    base = scaling.filter(pl.col("variant") == "base")["language"].unique()
    assert "de" not in base
    assert "en" in base


class StudyRun:
    """Runs partitions with their checks in the study's own instance, as the UI would."""

    def __init__(self, maker: Maker) -> None:
        self.maker = maker
        home = Home(maker.graph.study)
        self.instance = dg.DagsterInstance.from_config(str(home.dagster))
        self.services = StudyServices(maker.graph.study, home.cache)
        self.assets = assets_of(maker.graph, maker)
        self.checks = checks_of(maker.graph, maker)

    def __enter__(self) -> StudyRun:
        return self

    def __exit__(self, *error: object) -> None:
        self.services.close()
        self.instance.dispose()

    def __call__(self, wanted: str | tuple[str, ...], partition: str) -> dg.ExecuteInProcessResult:
        assets = (wanted,) if isinstance(wanted, str) else wanted
        return dg.materialize(
            [one for asset in assets for one in (self.assets[asset], self.checks[asset])],
            partition_key=partition,
            instance=self.instance,
            resources={"gpu": self.services},
            raise_on_error=False,
        )
