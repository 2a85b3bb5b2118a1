"""The suite of every table's shape: columns as declared, rows, unique keys, known parents."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite


def shape_suite() -> ExpectationSuite:
    """Judges ``checks.shape.shape_values``; the rest is measured only where this holds."""
    import great_expectations as gx
    import great_expectations.expectations as gxe

    def none(column: str, notes: str) -> gxe.Expectation:
        return gxe.ExpectColumnValuesToBeBetween(
            column=column, min_value=0, max_value=0, notes=notes
        )

    return gx.ExpectationSuite(
        name="shape",
        expectations=[
            gxe.ExpectTableRowCountToBeBetween(min_value=2, notes="the table has columns"),
            gxe.ExpectColumnPairValuesToBeEqual(
                column_A="declared",
                column_B="found",
                notes="columns are those declared, with the types declared",
            ),
            # Of the table, not of a column: no row of what was measured is at fault.
            gxe.ExpectColumnMaxToBeBetween(
                column="rows", min_value=1, notes="the table is not empty"
            ),
            none("repeated keys", "keys are unique"),
            none("nulls", "no value is missing"),
            none("empty", "no column is empty throughout"),
            none("unknown parents", "every parent id is a row upstream"),
        ],
    )
