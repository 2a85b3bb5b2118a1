"""Which number is meant: a row of a report, by the columns that name it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mitt_assets.errors import StudyError
from mitt_assets.lineage.recompute import KEY, READS
from mitt_assets.lineage.statement import Record

if TYPE_CHECKING:
    import polars as pl

    from mitt_assets.materialise import Maker

NATURAL = "natural"
_SHOWN = 12
_BUDGET = "budget"
"""Short for ``axis=tokens,x=...``."""


def report_record(maker: Maker, name: str) -> Record:
    """The current record of a report, named `reports/scaling` or `scaling`.

    Raises StudyError for another name and MissingInputError for a report that was not made.
    """
    short = name.removeprefix("reports/")
    if short not in READS:
        raise StudyError(f"no report {name!r} holds numbers; those that do: {', '.join(READS)}")
    return maker.required(f"reports/{short}", None)


def parse_where(text: str) -> dict[str, str]:
    """``language=tl,x=128`` as columns and values; ``budget=128`` is ``axis=tokens,x=128``.

    Raises StudyError naming what is no such pair, and the columns there are.
    """
    chosen: dict[str, str] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, sign, value = (one.strip() for one in part.partition("="))
        if not sign or name not in (*KEY, _BUDGET):
            raise StudyError(
                f"--where {part!r}: give column=value, separated by commas; columns:"
                f" {', '.join((*KEY, _BUDGET))}"
            )
        given = {"axis": "tokens", "x": value} if name == _BUDGET else {name: value}
        chosen |= given
    return chosen


def find_number(frame: pl.DataFrame, where: Mapping[str, str], report: str) -> int:
    """The row of the one number that is meant.

    Raises StudyError if there is none, or several, with the values there are to choose from.
    """
    found = frame.with_row_index("row")
    for number, (column, value) in enumerate(where.items()):
        matched = found.filter(equals(column, value))
        if matched.is_empty():
            before = dict(list(where.items())[:number])
            place = f"with {written(before)}, " if before else ""
            raise StudyError(
                f"{report} has no number with {written({**before, column: value})};"
                f" {place}{column} is: {_values(found, column)}"
            )
        found = matched
    if found.height > 1 and "curve" not in where:
        # Unless another curve is asked for, the one without forced waits is meant.
        natural = found.filter(equals("curve", NATURAL))
        found = found if natural.is_empty() else natural
    if found.height > 1:
        open_ = {name: _values(found, name) for name in KEY if found[name].n_unique() > 1}
        said = "\n".join(f"  {name}: {values}" for name, values in open_.items())
        example = _example(found.row(0, named=True), where, open_)
        raise StudyError(
            f"{found.height} numbers of {report} match {written(where) or 'no --where'}; they"
            f" differ in\n{said}\nChoose one of each, such as: --where {example}"
        )
    return int(found["row"][0])


def _example(row: Mapping[str, Any], where: Mapping[str, str], open_: Mapping[str, str]) -> str:
    return written({**where, **{name: value_text(row[name]) for name in open_}})


def equals(column: str, value: str) -> pl.Expr:
    """Whether a row has this value; raises StudyError for an x that is no number."""
    import polars as pl

    if column != "x":
        return pl.col(column) == value
    if value in ("", "none"):
        return pl.col("x").is_null()
    try:
        return (pl.col("x") - float(value)).abs() < 1e-9
    except ValueError as error:
        raise StudyError(f"--where x={value}: x is a number, or none") from error


def _values(frame: pl.DataFrame, column: str) -> str:
    """The distinct values of a column; `none` where there is none."""
    values = frame[column].unique(maintain_order=True).to_list()
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return ", ".join(value_text(value) or "(empty)" for value in values[:_SHOWN]) + more


def value_text(value: Any) -> str:
    """A value as ``--where`` takes it."""
    if value is None:
        return "none"
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def written(where: Mapping[str, str]) -> str:
    """Columns and values as ``--where`` takes them."""
    return ",".join(f"{column}={value}" for column, value in where.items())
