"""The rows behind a figure as a table to read, and as a file to take away without a server.

Curves become one row per line with budgets as columns. The download link carries the CSV itself;
a long one is compressed, so that a page with hundreds of checkpoints still opens at once.
"""

from __future__ import annotations

import base64
import gzip
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mitt_assets.reporting.chart import Chart
from mitt_assets.reporting.layout import after, difference
from mitt_assets.reporting.style import language_name, model_title
from mitt_assets.reporting.wording import interval, number
from mitt_assets.study import Study

COLUMNS = 16
"""Most checkpoints in a table; they are thinned evenly, the CSV keeps them all."""
PLAIN_LIMIT = 60_000
"""Characters of CSV that are linked uncompressed."""


@dataclass(frozen=True)
class DataTable:
    """Heads and rows to show, and a note on what was left out."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    labels: int
    caption: str
    note: str = ""


@dataclass(frozen=True)
class Download:
    """A file inside a link: its name and the data URI."""

    name: str
    uri: str


def download(chart: Chart) -> Download:
    """The chart's CSV as a link that needs no network."""
    if len(chart.csv) <= PLAIN_LIMIT:
        text = urllib.parse.quote(chart.csv, safe=",.-_:/ ").replace(" ", "%20")
        return Download(f"{chart.name}.csv", f"data:text/csv;charset=utf-8,{text}")
    packed = gzip.compress(chart.csv.encode("utf-8"), mtime=0)
    data = base64.b64encode(packed).decode("ascii")
    return Download(f"{chart.name}.csv.gz", f"data:application/gzip;base64,{data}")


def data_table(chart: Chart, study: Study) -> DataTable:
    """The chart's rows for reading: curves across, single numbers down."""
    rows = list(chart.frame.iter_rows(named=True))
    if any(row["axis"] and row["x"] is not None for row in rows):
        return _curves(chart, study, rows)
    return _numbers(chart, study, rows)


def _curves(chart: Chart, study: Study, rows: Sequence[Mapping[str, Any]]) -> DataTable:
    places = sorted({row["x"] for row in rows if row["x"] is not None})
    step = -(-len(places) // COLUMNS)
    shown = sorted(places[::-1][:: max(step, 1)])
    lines: dict[tuple[str, ...], dict[float, str]] = {}
    for row in rows:
        lines.setdefault(_labels(chart, study, row), {})[row["x"]] = _value(chart, row)
    head = (*_label_heads(chart), *(f"{place:g}" for place in shown))
    body = tuple((*labels, *(cells.get(x, "") for x in shown)) for labels, cells in lines.items())
    note = f"Every {step}th of {len(places)} positions; the CSV has all." if step > 1 else ""
    return DataTable(head, body, len(_label_heads(chart)), _caption(chart), note)


def _numbers(chart: Chart, study: Study, rows: Sequence[Mapping[str, Any]]) -> DataTable:
    head = (*_label_heads(chart), "Estimate and interval", "Problems", "Rows")
    body = tuple(
        (*_labels(chart, study, row), _value(chart, row), str(row["problems"]), str(row["rows"]))
        for row in rows
    )
    return DataTable(head, body, len(_label_heads(chart)), _caption(chart))


def _caption(chart: Chart) -> str:
    units = {"share": "per cent", "points": "times 100, signed", "plain": "as estimated"}
    return f"{chart.title}: estimate and interval, {units[chart.unit]}"


def _label_heads(chart: Chart) -> tuple[str, ...]:
    heads = ["Model", "Language", "Variant"]
    if _varies(chart, "measure"):
        heads.append("Measure")
    if _waits(chart):
        heads.append("End")
    elif _varies(chart, "curve"):
        heads.append("Curve")
    return tuple(heads)


def _labels(chart: Chart, study: Study, row: Mapping[str, Any]) -> tuple[str, ...]:
    labels = [
        model_title(study, row["model"]),
        language_name(study, row["language"]),
        difference(row["variant"]),
    ]
    if _varies(chart, "measure"):
        labels.append(row["measure"].replace("_", " "))
    if _waits(chart):
        labels.append(after(row["x"]))
    elif _varies(chart, "curve"):
        labels.append(row["curve"])
    return tuple(labels)


def _waits(chart: Chart) -> bool:
    """Whether x counts forced waits, and there are several."""
    single = chart.frame.filter(chart.frame["axis"] == "")
    return bool(single["x"].drop_nulls().n_unique() > 1)


def _varies(chart: Chart, column: str) -> bool:
    return bool(chart.frame[column].n_unique() > 1)


def _value(chart: Chart, row: Mapping[str, Any]) -> str:
    value = number(row["estimate"], chart.unit)
    if value == "n/a":
        return "n/a"
    return f"{value.removesuffix(' %')} {interval(row['low'], row['high'], chart.unit)}"
