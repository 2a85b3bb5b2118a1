"""The rules suites are made of, each a Great Expectations expectation with its sentence.

The library is imported by each of them and never by this module: see ``checks.judge``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite
    from great_expectations.expectations.expectation import Expectation

CRITICAL = "critical"
WARNING = "warning"


def suite(name: str, first: Expectation, *others: Expectation) -> ExpectationSuite:
    """A suite; ``first`` must be about the number of rows, as the others say nothing of none."""
    import great_expectations as gx

    return gx.ExpectationSuite(name=name, expectations=[first, *others])


def rows(notes: str, low: int = 1, high: int | None = None) -> Expectation:
    """There are between ``low`` and ``high`` rows."""
    import great_expectations.expectations as gxe

    return gxe.ExpectTableRowCountToBeBetween(min_value=low, max_value=high, notes=notes)


def equal(left: str, right: str, notes: str, severity: str = CRITICAL) -> Expectation:
    """Two columns hold the same, row by row: what is stored and what was computed again."""
    import great_expectations.expectations as gxe

    return gxe.ExpectColumnPairValuesToBeEqual(
        column_A=left, column_B=right, severity=severity, notes=notes
    )


def at_least(larger: str, smaller: str, notes: str, severity: str = CRITICAL) -> Expectation:
    """In every row the first column is not below the second."""
    import great_expectations.expectations as gxe

    return gxe.ExpectColumnPairValuesAToBeGreaterThanB(
        column_A=larger, column_B=smaller, or_equal=True, severity=severity, notes=notes
    )


def between(
    column: str,
    low: float | None,
    high: float | None,
    notes: str,
    severity: str = CRITICAL,
    mostly: float = 1.0,
) -> Expectation:
    """Values lie between ``low`` and ``high``, in a share ``mostly`` of the rows at least."""
    import great_expectations.expectations as gxe

    return gxe.ExpectColumnValuesToBeBetween(
        column=column, min_value=low, max_value=high, severity=severity, mostly=mostly, notes=notes
    )


def among(
    column: str,
    allowed: Iterable[Any],
    notes: str,
    severity: str = CRITICAL,
    mostly: float = 1.0,
) -> Expectation:
    """Values are of a set, in a share ``mostly`` of the rows at least."""
    import great_expectations.expectations as gxe

    return gxe.ExpectColumnValuesToBeInSet(
        column=column, value_set=list(allowed), severity=severity, mostly=mostly, notes=notes
    )


def pairs_among(
    left: str, right: str, allowed: Iterable[tuple[Any, Any]], notes: str
) -> Expectation:
    """Pairs of values are of a set of pairs."""
    import great_expectations.expectations as gxe

    return gxe.ExpectColumnPairValuesToBeInSet(
        column_A=left, column_B=right, value_pairs_set=list(allowed), notes=notes
    )


def unique(column: str, notes: str, severity: str = CRITICAL) -> Expectation:
    """No value stands twice."""
    import great_expectations.expectations as gxe

    return gxe.ExpectColumnValuesToBeUnique(column=column, severity=severity, notes=notes)
