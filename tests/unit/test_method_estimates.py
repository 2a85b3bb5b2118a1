"""Every estimate is recomputed, slowly and plainly, from the rows its own filter selects."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import combinations
from statistics import fmean
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mitt_assets.errors import DataError
from mitt_assets.method.estimates.consistency import consistency
from mitt_assets.method.estimates.drift import drift
from mitt_assets.method.estimates.effort import step_ends
from mitt_assets.method.estimates.panel import attach
from mitt_assets.method.estimates.readings import budget_grid
from mitt_assets.method.estimates.scaling import scaling
from mitt_assets.method.estimates.selection import select_rows
from mitt_assets.method.estimates.tokens import tokens
from mitt_assets.method.estimates.variant_effects import comparisons, variant_effects
from mitt_assets.method.statistics import control, fleiss_kappa
from mitt_assets.method.statistics import scaling as s1_scaling
from mitt_assets.study import Study
from mitt_assets.tables import ESTIMATES
from tests.unit.method_tables import Tables, study_of, tables_of

Row = dict[str, Any]


def reports(tables: Tables, study: Study) -> dict[str, pl.DataFrame]:
    """Every report over the same tables."""
    return {
        "scaling": scaling(tables.probes, tables.traces, study),
        "variant_effects": variant_effects(tables.probes, tables.windows, tables.traces, study),
        "drift": drift(tables.windows, tables.traces, study),
        "consistency": consistency(
            tables.consistency, tables.windows, tables.probes, tables.traces, study
        ),
        "tokens": tokens(tables.traces, study),
    }


STUDY = study_of(statistics={"resamples": 100, "comparisons": [["mitt", "base"]]})
TABLES = tables_of(STUDY, problems=5, seed=1)
REPORTS = reports(TABLES, STUDY)
SOURCES = {
    "probes": attach(TABLES.probes, TABLES.traces),
    "windows": attach(TABLES.windows, TABLES.traces),
    "traces": TABLES.traces,
    "consistency": TABLES.consistency,
}
ROWS = [row for frame in REPORTS.values() for row in frame.iter_rows(named=True)]


def rows_of(row: Row) -> pl.DataFrame:
    """What the estimate's filter selects of its source."""
    table = row["source"].split(",")[0].split("/")[1]
    return select_rows(SOURCES[table], row["filter"])


def accuracy(rows: pl.DataFrame) -> float:
    return float(rows["correct"].mean())  # type: ignore[arg-type]


def per_trace(rows: pl.DataFrame) -> list[list[Row]]:
    """The readings of each trace, in order of waits and budget."""
    ordered = rows.sort("waits", "budget")
    return [part.to_dicts() for part in ordered.partition_by("trace_id", maintain_order=True)]


def at_budget(readings: list[Row], curve: str, budget: int) -> bool:
    """By the rule as the report states it, without the code's selection."""
    if curve == "natural":
        ends = [one for one in readings if one["kind"] == "end" and one["waits"] == 0]
        terminal = [one for one in readings if one["kind"] == "terminal" and one["waits"] == 0]
        end = (ends or terminal)[0]
    else:
        (end,) = [one for one in readings if one["kind"] == "terminal"]
    if end["budget"] <= budget:
        return bool(end["correct"])
    (checkpoint,) = [
        one for one in readings if one["kind"] == "checkpoint" and one["budget"] == budget
    ]
    return bool(checkpoint["correct"])


def after_waits(readings: list[Row], waits: int) -> bool:
    ends = {one["waits"]: one for one in readings if one["kind"] == "end"}
    (terminal,) = [one for one in readings if one["kind"] == "terminal"]
    chosen = ends.get(min(waits, terminal["waits"]), terminal)
    return bool(chosen["correct"])


def all_probes(row: Row, **equal: str) -> list[list[Row]]:
    """The readings of every trace of the estimate's condition, of one language or variant."""
    rows = rows_of(row)
    kept = SOURCES["probes"].join(rows.select("trace_id").unique(), on="trace_id", how="semi")
    return per_trace(kept.filter(**equal))


def curve_of(row: Row) -> list[float]:
    grid = budget_grid(STUDY.probes.stride, STUDY.generation.budget).tolist()
    traces = all_probes(row)
    return [fmean(at_budget(one, row["curve"], budget) for one in traces) for budget in grid]


def spent(row: Row, budget: int, axis: str) -> float:
    """Mean thinking up to a budget, from text and offsets."""
    columns = ("model", "variant", "language")
    traces = select_rows(
        TABLES.traces, json.dumps({k: json.loads(row["filter"])[k] for k in columns})
    )
    return fmean(
        _spent(trace, budget, row["curve"], axis) for trace in traces.iter_rows(named=True)
    )


def _spent(trace: Row, budget: int, curve: str, axis: str) -> int:
    first = trace["think_ends"][0] if trace["think_ends"] else trace["think_tokens"]
    at = min(budget, first if curve == "natural" else trace["think_tokens"])
    starts = [*trace["offsets"], len(trace["text"])]
    if axis == "tokens":
        return int(at)
    if axis == "characters":
        return int(starts[at])
    thought = trace["text"][: starts[trace["think_tokens"]]]
    return int((step_ends([thought])[0] <= starts[at]).sum())


def share(row: Row, column: str, matches: Callable[[Row], bool]) -> float:
    found = rows_of(row).to_dicts()
    return fmean(matches(one) for one in found)


def is_of(kind: str, column: str) -> Callable[[Row], bool]:
    def matches(window: Row) -> bool:
        label = window[column]
        own, reference = label == window["language"], label == "en"
        other = not own and not reference and label != "undetermined"
        return {"prompt": own, "reference": reference, "other": other}[kind]

    return matches


def artefact(row: Row) -> float:
    windows = rows_of(row).to_dicts()
    believed = [one["label"] == "en" for one in windows if one["label"] != "undetermined"]
    return fmean(one["raw_label"] == "en" for one in windows) - fmean(believed)


def difference(row: Row, column: str, value: Callable[[pl.DataFrame], float]) -> float:
    """The first named of two conditions minus the second."""
    rows = rows_of(row)
    left, right = json.loads(row["filter"])[column]
    return value(rows.filter(pl.col(column) == left)) - value(rows.filter(pl.col(column) == right))


def fidelity(rows: pl.DataFrame) -> float:
    return float((rows["label"] == rows["language"]).mean())  # type: ignore[arg-type]


def similarity(row: Row) -> float:
    name = row["measure"].removeprefix("initial_")
    return float(rows_of(row)[name].drop_nulls().mean())  # type: ignore[arg-type]


def agreement(row: Row) -> float:
    found = []
    for part in rows_of(row).partition_by("language", "problem_id"):
        pairs = list(combinations(part["label"].to_list(), 2))
        if pairs:
            found.append(fmean(a == b for a, b in pairs))
    return fmean(found)


def kappa(row: Row) -> float:
    rows = rows_of(row).join(TABLES.traces.select("trace_id", "sample"), on="trace_id")
    counts = []
    for part in rows.partition_by("problem_id", "sample"):
        right = int(part["correct"].sum())
        counts.append([right, part.height - right])
    return fleiss_kappa(counts)


def effort(row: Row) -> float:
    return spent(row, 10**6, row["measure"].removeprefix("thinking_"))


def to_reference(row: Row) -> float:
    def mean(language: str) -> float:
        filter_ = json.dumps(json.loads(row["filter"]) | {"language": language})
        return spent(row | {"filter": filter_}, 10**6, "tokens")

    return mean(row["language"]) / mean("en")


def ended(row: Row) -> float:
    natural = row["curve"] == "natural"
    return fmean(
        one["finish_reason"] != "budget" or (natural and len(one["think_ends"]) > 0)
        for one in rows_of(row).iter_rows(named=True)
    )


def control_of(row: Row) -> float:
    return control(rows_of(row)["think_tokens"], 0, STUDY.generation.budget)


def compute_of(row: Row) -> list[float]:
    grid = budget_grid(STUDY.probes.stride, STUDY.generation.budget).tolist()
    return [spent(row, budget, "tokens") for budget in grid]


def wait_effect(row: Row) -> float:
    waits = int(row["x"])
    pairs = [(after_waits(one, waits), after_waits(one, 0)) for one in all_probes(row)]
    return fmean(one for one, _ in pairs) - fmean(one for _, one in pairs)


BRUTE: dict[str, Callable[[Row], float]] = {
    "accuracy": lambda row: accuracy(rows_of(row)),
    "accuracy_end": lambda row: fmean(after_waits(one, int(row["x"])) for one in all_probes(row)),
    "wait_effect": wait_effect,
    "gap_to_reference": lambda row: difference(row, "language", accuracy),
    "gain": lambda row: curve_of(row)[-1] - curve_of(row)[0],
    "relative_gain": lambda row: curve_of(row)[-1] / curve_of(row)[0] - 1,
    "scaling": lambda row: s1_scaling(compute_of(row), curve_of(row)),
    "performance": lambda row: max(curve_of(row)),
    "control": control_of,
    "effect": lambda row: difference(row, "variant", accuracy),
    "fidelity": lambda row: fidelity(rows_of(row)),
    "initial_fidelity": lambda row: fidelity(rows_of(row)),
    "fidelity_effect": lambda row: difference(row, "variant", fidelity),
    "initial_fidelity_effect": lambda row: difference(row, "variant", fidelity),
    "undetermined_share": lambda row: share(
        row, "label", lambda one: one["label"] == "undetermined"
    ),
    "artefact": artefact,
    "within": similarity,
    "to_english": similarity,
    "within_rolling": similarity,
    "to_english_rolling": similarity,
    "initial_agreement": agreement,
    "fleiss_kappa": kappa,
    "thinking_tokens": effort,
    "thinking_characters": effort,
    "thinking_steps": effort,
    "tokens_to_reference": to_reference,
    "ended_share": ended,
}
for _kind in ("prompt", "reference", "other"):
    BRUTE[f"{_kind}_share"] = lambda row, k=_kind: share(row, "label", is_of(k, "label"))  # type: ignore[misc]
    BRUTE[f"raw_{_kind}_share"] = lambda row, k=_kind: share(  # type: ignore[misc]
        row, "raw_label", is_of(k, "raw_label")
    )
BRUTE |= {
    f"initial_{name}": formula for name, formula in list(BRUTE.items()) if "initial" not in name
}


@pytest.mark.parametrize("measure", sorted({row["measure"] for row in ROWS}))
def test_every_estimate_follows_from_the_rows_its_filter_selects(measure: str) -> None:
    rows = [row for row in ROWS if row["measure"] == measure]
    for row in rows[:: max(1, len(rows) // 120)]:
        assert row["estimate"] == pytest.approx(BRUTE[measure](row), abs=1e-9), row


def test_what_the_reports_measure() -> None:
    measures = {name: sorted(frame["measure"].unique()) for name, frame in REPORTS.items()}
    assert measures["scaling"] == [
        "accuracy",
        "accuracy_end",
        "control",
        "gain",
        "gap_to_reference",
        "performance",
        "relative_gain",
        "scaling",
        "wait_effect",
    ]
    assert measures["variant_effects"] == [
        "effect",
        "fidelity",
        "fidelity_effect",
        "initial_fidelity",
        "initial_fidelity_effect",
    ]
    assert measures["tokens"] == [
        "ended_share",
        "thinking_characters",
        "thinking_steps",
        "thinking_tokens",
        "tokens_to_reference",
    ]


@pytest.mark.parametrize("name", REPORTS)
def test_estimates_have_their_schema_key_and_order_of_interval(name: str) -> None:
    frame = REPORTS[name]
    assert frame.schema == ESTIMATES.schema()
    assert not frame.select(ESTIMATES.key).is_duplicated().any()
    known = frame.drop_nulls(["estimate", "low"])
    assert (known["low"] <= known["high"]).all()
    assert frame.select("measure", "filter", "source").null_count().sum_horizontal().item() == 0
    assert frame["problems"].min() >= 1  # type: ignore[operator]


@pytest.mark.parametrize("name", ["accuracy", "accuracy_end", "prompt_share", "raw_other_share"])
def test_the_number_of_rows_is_the_number_selected(name: str) -> None:
    for row in ROWS:
        if row["measure"] == name:
            found = rows_of(row)
            assert (row["rows"], row["problems"]) == (found.height, found["problem_id"].n_unique())


def test_accuracy_lies_on_three_axes() -> None:
    rows = [row for row in ROWS if row["measure"] == "accuracy"]
    for row in rows[::7]:
        budget = json.loads(row["filter"])["budget"]["max"]
        expected = budget if row["axis"] == "tokens" else spent(row, budget, row["axis"])
        assert row["x"] == pytest.approx(expected)


def test_variants_that_are_equal_differ_by_exactly_nothing() -> None:
    study = study_of(variants={"base": {}, "twin": {}})
    base = tables_of(study_of(variants={"base": {}}), problems=4, seed=2)
    twin = {name: pl.concat([frame, _renamed(frame)]) for name, frame in vars(base).items()}
    effects = variant_effects(twin["probes"], twin["windows"], twin["traces"], study)
    rows = effects.filter(pl.col("measure").str.ends_with("effect"))
    assert rows.height > 0
    assert rows.select("estimate", "low", "high").unique().rows() == [(0.0, 0.0, 0.0)]


def _renamed(frame: pl.DataFrame) -> pl.DataFrame:
    """The same rows as another variant's."""
    changes = {}
    if "trace_id" in frame.columns:
        changes["trace_id"] = pl.col("trace_id").str.replace("-base-", "-twin-")
    if "variant" in frame.columns:
        changes["variant"] = pl.lit("twin")
    return frame.with_columns(**changes)


@settings(max_examples=10)
@given(seed=st.integers(0, 10**6), stride=st.integers(7, 200), waits=st.integers(0, 3))
def test_any_budget_stride_and_waits(seed: int, stride: int, waits: int) -> None:
    study = study_of(
        probes={"stride": stride},
        generation={"budget": 150, "waits": waits, "samples": 2},
        variants={"base": {}},
    )
    tables = tables_of(study, problems=3, seed=seed)
    frame = scaling(tables.probes, tables.traces, study).filter(
        pl.col("measure").is_in(["accuracy", "accuracy_end"]), pl.col("language") == "tl"
    )
    probes = attach(tables.probes, tables.traces)
    for row in frame.iter_rows(named=True):
        selected = select_rows(probes, row["filter"])
        assert selected.height == row["rows"] == 6
        assert row["estimate"] == pytest.approx(accuracy(selected))


def test_the_grid_begins_at_one_stride_ends_at_the_budget_and_stays_short() -> None:
    assert budget_grid(32, 150).tolist() == [32, 64, 96, 128, 150]
    assert budget_grid(32, 64).tolist() == [32, 64]
    assert budget_grid(200, 150).tolist() == [150]
    long = budget_grid(32, 10_000)
    assert long[0] == 32 and long[-1] == 10_000 and len(long) <= 102
    assert (long[:-1] % 32 == 0).all()


def test_languages_that_are_missing_are_left_out_of_all() -> None:
    """A comparison over all languages takes those both variants have."""
    gone = (pl.col("variant") == "mitt") & (pl.col("language") == "tl")
    traces = TABLES.traces.filter(~gone)
    probes = TABLES.probes.join(traces.select("trace_id"), on="trace_id", how="semi")
    windows = TABLES.windows.join(traces.select("trace_id"), on="trace_id", how="semi")
    frame = variant_effects(probes, windows, traces, STUDY)
    (row,) = frame.filter(measure="effect", language="all", curve="natural").to_dicts()
    assert json.loads(row["filter"])["language"] == ["en", "de"]
    assert "tl" not in frame.filter(measure="effect")["language"].to_list()


def test_without_the_reference_language_there_is_no_gap() -> None:
    traces = TABLES.traces.filter(pl.col("language") != "en")
    probes = TABLES.probes.join(traces.select("trace_id"), on="trace_id", how="semi")
    frame = scaling(probes, traces, STUDY)
    assert "gap_to_reference" not in frame["measure"].to_list()


def test_a_missing_reading_and_an_unknown_trace_are_named() -> None:
    one = TABLES.traces["trace_id"][0]
    terminal = (pl.col("trace_id") == one) & (pl.col("kind") == "terminal")
    with pytest.raises(DataError, match=f"trace {one} lacks a terminal reading"):
        scaling(TABLES.probes.filter(~terminal), TABLES.traces, STUDY)
    with pytest.raises(DataError, match=f"trace {one} has"):
        scaling(TABLES.probes, TABLES.traces[1:], STUDY)
    with pytest.raises(DataError, match=f"trace {one} has rows"):
        drift(TABLES.windows, TABLES.traces[1:], STUDY)


def test_a_missing_checkpoint_is_named() -> None:
    late = TABLES.traces.filter(pl.col("think_tokens") > 64)["trace_id"][0]
    checkpoint = (pl.col("trace_id") == late) & (pl.col("kind") == "checkpoint")
    with pytest.raises(DataError, match=f"trace {late} lacks a"):
        scaling(TABLES.probes.filter(~checkpoint), TABLES.traces, STUDY)


def test_what_matters_comes_first_and_each_comparison_once() -> None:
    study = study_of(
        variants={"base": {}, "mitt": {}, "own": {}},
        statistics={"comparisons": [["mitt", "own"], ["mitt", "base"]]},
    )
    assert comparisons(study) == [("mitt", "own"), ("mitt", "base"), ("own", "base")]


def test_no_estimate_reads_the_resource_level() -> None:
    levels = {"en": "low", "de": "high", "tl": "high"}
    languages = {
        code: {"name": code, "level": level, "wait": "Wait"} for code, level in levels.items()
    }
    study = study_of(
        languages=languages, statistics={"resamples": 100, "comparisons": [["mitt", "base"]]}
    )
    for name, frame in reports(TABLES, study).items():
        assert frame.equals(REPORTS[name])


def test_the_order_of_rows_changes_no_number() -> None:
    shuffled = Tables(
        *(frame.sample(fraction=1.0, shuffle=True, seed=3) for frame in vars(TABLES).values())
    )
    for name, frame in reports(shuffled, STUDY).items():
        assert frame.equals(REPORTS[name])


def test_a_relative_gain_from_nothing_is_undefined() -> None:
    none = (pl.col("kind") == "checkpoint") & (pl.col("budget") == 32)
    early = TABLES.traces.filter(pl.col("think_ends").list.first().fill_null(150) > 32)
    probes = TABLES.probes.join(early.select("trace_id"), on="trace_id", how="semi").with_columns(
        correct=pl.col("correct") & ~none
    )
    early = early.filter(pl.col("think_tokens") > 32)
    probes = probes.join(early.select("trace_id"), on="trace_id", how="semi")
    frame = scaling(probes, early, STUDY).filter(measure="relative_gain")
    assert frame["estimate"].null_count() == frame.height > 0
    assert frame["low"].null_count() == frame.height


def test_intervals_are_those_of_resampled_problems() -> None:
    """One estimate, resampled by a loop with the same draws."""
    from mitt_assets.method.statistics import Resampling, interval

    rows = REPORTS["scaling"].filter(measure="accuracy_end", language="tl", variant="base", x=0.0)
    (row,) = rows.to_dicts()
    by_problem = _by_problem(rows_of(row).select("problem_id", "correct").iter_rows())
    counts = Resampling.of(5, STUDY.statistics).counts.astype(int)
    draws = [
        fmean(x for n, count in enumerate(one) for _ in range(count) for x in by_problem[n])
        for one in counts
    ]
    low, high = interval(np.array(draws)[:, None], 0.95)
    assert (row["low"], row["high"]) == (pytest.approx(low[0]), pytest.approx(high[0]))


def _by_problem(rows: Iterable[tuple[str, bool]]) -> list[list[bool]]:
    found: dict[str, list[bool]] = {}
    for problem, correct in rows:
        found.setdefault(problem, []).append(correct)
    return [found[problem] for problem in sorted(found)]
