"""What a judged frame without rows says: that there are none, and nothing of columns or rows."""

from __future__ import annotations

import polars as pl
import pytest

from checks.judge import _validate
from checks.subject import Values
from checks.suites import rules
from checks.suites.shape import shape_suite

NO_COLUMNS = pl.DataFrame([])
NO_ROWS = pl.DataFrame(schema={"a": pl.Int64, "b": pl.Int64, "c": pl.String})


@pytest.mark.parametrize("frame", [NO_COLUMNS, NO_ROWS], ids=["no columns", "no rows"])
def test_a_frame_of_nothing_is_judged_by_every_rule(frame: pl.DataFrame) -> None:
    suite = rules.suite(
        "values",
        rules.rows("things were compared"),
        rules.equal("a", "b", "they are equal"),
        rules.at_least("a", "b", "one is at least the other"),
        rules.pairs_among("a", "b", [(1, 2)], "pairs are known"),
        rules.between("a", 0, 1, "they lie between"),
        rules.among("c", ["x"], "they are known"),
        rules.unique("c", "they are unique"),
    )
    outcomes = _validate("values", Values(frame, ("id",)), suite)
    assert len(outcomes) == 7
    assert [one.sentence() for one in outcomes if not one.passed] == [
        "things were compared (found 0)"
    ]


def test_an_empty_table_is_told_without_the_number_of_its_columns() -> None:
    whole = {"declared": "table", "found": "table", "rows": 0, "repeated keys": 0, "nulls": 0}
    whole |= {"empty": 0, "unknown parents": 0, "witness": ""}
    measured = pl.DataFrame([{"column": one, **whole} for one in ("(the table)", "id", "answer")])
    outcomes = _validate("shape", Values(measured, ("column", "witness")), shape_suite())
    assert [one.sentence() for one in outcomes if not one.passed] == [
        "the table is not empty (found 0)"
    ]
