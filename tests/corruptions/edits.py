"""Ways to change a table that corruptions are made of: each takes the sound one and the ground."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from tests.corruptions.catalogue import Ground

Edit = Callable[[pl.DataFrame, Ground], pl.DataFrame]
Rows = Callable[[pl.DataFrame], list[str]]


def setting(column: str, value: Any, at: int = 0) -> Edit:
    """One cell changed; ``value`` may be a function of what stood there."""

    def edit(frame: pl.DataFrame, ground: Ground) -> pl.DataFrame:
        values = frame[column].to_list()
        values[at] = value(values[at]) if callable(value) else value
        return frame.with_columns(pl.Series(column, values, dtype=frame[column].dtype))

    return edit


def every(**columns: Any) -> Edit:
    """Whole columns replaced by one value each."""

    def edit(frame: pl.DataFrame, ground: Ground) -> pl.DataFrame:
        return frame.with_columns(
            **{name: pl.lit(value, dtype=frame[name].dtype) for name, value in columns.items()}
        )

    return edit


def swapped(*columns: str, at: tuple[int, int] = (0, 1)) -> Edit:
    """What two rows hold in some columns, exchanged."""

    def edit(frame: pl.DataFrame, ground: Ground) -> pl.DataFrame:
        order = list(range(frame.height))
        order[at[0]], order[at[1]] = at[1], at[0]
        return frame.with_columns(frame[column].gather(order) for column in columns)

    return edit


def copied(*columns: str, source: int, at: int) -> Edit:
    """One row's values in some columns written into another row."""

    def edit(frame: pl.DataFrame, ground: Ground) -> pl.DataFrame:
        order = list(range(frame.height))
        order[at] = source
        return frame.with_columns(frame[column].gather(order) for column in columns)

    return edit


def dropped(at: int = 0) -> Edit:
    """One row gone."""
    return lambda frame, ground: frame.with_row_index("#").filter(pl.col("#") != at).drop("#")


def repeated(at: int = 0) -> Edit:
    """One row twice."""
    return lambda frame, ground: pl.concat([frame, frame[at : at + 1]])


def emptied() -> Edit:
    """No rows."""
    return lambda frame, ground: frame.head(0)


def without(column: str) -> Edit:
    """A column gone."""
    return lambda frame, ground: frame.drop(column)


def typed(column: str, kind: pl.DataType) -> Edit:
    """A column of another type."""
    return lambda frame, ground: frame.with_columns(pl.col(column).cast(kind, strict=False))


def foreign(asset: str, partition: str | None, *columns: str) -> Edit:
    """Another partition's rows put here, or only some of its columns, row by row."""

    def edit(frame: pl.DataFrame, ground: Ground) -> pl.DataFrame:
        other = ground.frame(asset, partition)
        return frame.with_columns(other[column] for column in columns) if columns else other

    return edit


def chain(*edits: Edit) -> Edit:
    """One edit after the other."""

    def edit(frame: pl.DataFrame, ground: Ground) -> pl.DataFrame:
        for one in edits:
            frame = one(frame, ground)
        return frame

    return edit


def ids(column: str, *at: int) -> Rows:
    """The values of a column of the sound table, of the rows at these places."""
    return lambda frame: [str(frame[column][place]) for place in at or (0,)]


def literally(*names: str) -> Rows:
    """Names that are no row's id, such as a split's."""
    return lambda frame: list(names)
