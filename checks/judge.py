"""Judging a partition: polars measures, Great Expectations compares with the suite's bounds.

Great Expectations costs seconds and a quarter of a gigabyte to import, so it is imported when the
first partition is judged. Its traps are answered here, once: values that are null or NaN are passed
over by most of its rules and fail here; a rule that raises is a broken suite and no verdict at all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from checks import shape
from checks.subject import Subject, Values
from checks.suites import module_of
from checks.suites.shape import shape_suite
from checks.verdicts import Outcome, Verdict, suite_of
from mitt_assets.errors import MittError

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

SHOWN = 10
"""Failing rows that are kept with a verdict; their number is always kept."""
CUT = 80
"""Characters kept of a text in a verdict."""


class SuiteBrokenError(MittError):
    """The suite itself failed: nothing is known about the data."""


def judge(subject: Subject) -> Verdict:
    """Judge one partition.

    Raises SuiteBrokenError if the suite cannot judge, and the store's IntegrityError if the
    partition's bytes, or its parents', cannot be read.
    """
    outcomes: list[Outcome] = []
    table = subject.table
    if table is not None:
        shaped = {"shape": shape.shape_values(subject, table)}
        outcomes += _compare(shaped, {"shape": shape_suite()})
        if not all(one.passed for one in outcomes):
            # Rows without their columns, keys or parents cannot be joined with what they rest on.
            return _verdict(subject, outcomes)
    module = import_module(module_of(subject.record.asset))
    try:
        outcomes += _compare(module.measure(subject), module.suites(subject))
    except MittError:
        raise
    except Exception as error:
        raise SuiteBrokenError(f"{module.__name__}: {type(error).__name__}: {error}") from error
    return _verdict(subject, outcomes)


def _verdict(subject: Subject, outcomes: list[Outcome]) -> Verdict:
    record = subject.record
    return Verdict(
        asset=record.asset,
        partition=record.partition,
        content=record.content,
        suite=suite_of(subject.graph, record),
        library=f"great-expectations {version('great-expectations')}",
        outcomes=tuple(outcomes),
    )


def _compare(
    measured: Mapping[str, Values], suites: Mapping[str, ExpectationSuite]
) -> list[Outcome]:
    if measured.keys() != suites.keys():
        raise SuiteBrokenError(
            f"values {sorted(measured)} are measured, but suites judge {sorted(suites)}"
        )
    return [one for name in measured for one in _validate(name, measured[name], suites[name])]


def _validate(name: str, values: Values, suite: ExpectationSuite) -> list[Outcome]:
    """Every expectation of one suite on one frame."""
    frame = _pandas(values, _judged(suite))
    batch = _definition().get_batch(batch_parameters={"dataframe": frame})
    found = batch.validate(
        suite,
        result_format={
            "result_format": "COMPLETE",
            "unexpected_index_column_names": list(values.ids),
            "return_unexpected_index_query": False,
        },
    )
    return [_outcome(name, values, one) for one in found.results]


def _outcome(name: str, values: Values, found: Any) -> Outcome:
    config, result = found.expectation_config, found.result
    info = found.exception_info or {}
    raised = [one for one in [info, *info.values()] if isinstance(one, dict)]
    messages = [one["exception_message"] for one in raised if one.get("raised_exception")]
    if messages:
        raise SuiteBrokenError(f"{name}: {config.type}: {messages[0]}")
    missing = int(result.get("missing_count") or 0)
    says = str(config.notes or config.type)
    # Without id columns the library gives bare positions, which name nothing.
    listed = result.get("unexpected_index_list") or [] if values.ids else []
    rows = [_short(one, values.ids) for one in listed]
    return Outcome(
        values=name,
        says=f"{says} (a value is missing)" if missing and not rows else says,
        severity=str(getattr(config.severity, "value", config.severity)),
        passed=bool(found.success) and not missing,
        count=len(rows) + missing,
        rows=tuple(rows[:SHOWN]) or _missing_rows(values, config.kwargs, missing),
        observed=_cut(result.get("observed_value", "")),
    )


def _missing_rows(
    values: Values, kwargs: Mapping[str, Any], missing: int
) -> tuple[Mapping[str, Any], ...]:
    """The ids of rows whose judged value is null or NaN."""
    import polars as pl

    column = kwargs.get("column")
    if not missing or column is None:
        return ()
    absent = pl.col(column).is_null()
    if values.frame[column].dtype.is_float():
        absent = absent | pl.col(column).is_nan()
    rows = values.frame.filter(absent).select(*values.ids, column).head(SHOWN)
    return tuple(_short(row, values.ids) for row in rows.iter_rows(named=True))


def _short(row: Mapping[str, Any], ids: tuple[str, ...]) -> dict[str, Any]:
    """A failing row with texts cut: ids first, then what was found."""
    ordered = [*ids, *(name for name in row if name not in ids)]
    return {name: _cut(row[name]) for name in ordered if name in row}


def _cut(value: Any) -> str:
    """A value as a text without control characters, cut; it will be shown to people."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value)[:400])
    return text if len(text) <= CUT else f"{text[:CUT]}…"


def _judged(suite: ExpectationSuite) -> list[str]:
    """The columns that a suite's expectations are about."""
    asked = [one.configuration.kwargs for one in suite.expectations]
    names = [one[key] for one in asked for key in ("column", "column_A", "column_B") if key in one]
    return list(dict.fromkeys(names))


def _pandas(values: Values, judged: list[str]) -> Any:
    """The frame as pandas, which Great Expectations reads; numbers stay arrays.

    A frame made of no rows may know no columns: it gets those that are ``judged``, so that the
    number of rows is what fails.
    """
    import pandas as pd

    if values.frame.is_empty():
        return pd.DataFrame({name: [] for name in dict.fromkeys([*values.frame.columns, *judged])})
    columns = {
        name: column.to_numpy() if column.dtype.is_numeric() else column.to_list()
        for name, column in ((one.name, one) for one in values.frame.iter_columns())
    }
    return pd.DataFrame(columns)


@cache
def _definition() -> Any:
    """Whole frames in an ephemeral context: no files, no progress bars, no analytics."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("store").add_dataframe_asset("values")
    return asset.add_batch_definition_whole_dataframe("whole")
