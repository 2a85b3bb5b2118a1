"""Pages that the web interface links to: the published report, and traces of its numbers.

Browsers open no file from a page of the network, so a small server beside the web interface shows
them; ``MITT_PAGES`` is its address. Links are kept in the event log for good, so a run that does
not know the server, such as one of ``mitt run``, takes the address the home was last shown at. Each
begins with the study's name: who shows another study there says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from mitt_assets.home import REPORT_FILE, Home
from resources.files import told, write_atomic

if TYPE_CHECKING:
    import polars as pl

    from mitt_assets.materialise import Maker
    from mitt_assets.study import Study

ADDRESS_VARIABLE = "MITT_PAGES"
ADDRESS_FILE = "pages"
"""In the home's folder of the Dagster instance: where the pages were last shown."""
DEFAULT_ADDRESS = "http://127.0.0.1:3001"
"""The port after the web interface's own default."""
REPORT_PAGE = f"report/{REPORT_FILE}"
ROWS_SHOWN = 3
"""Rows at every step of a trace; ``mitt lineage trace --rows`` shows more."""
NUMBERS_SHOWN = 200
"""Numbers listed on one page; columns narrow them down."""


def page_url(home: Home, relative: str) -> str:
    """The address of a page, such as ``report/report.html`` or ``trace/reports/scaling``."""
    return _url(_address(home), home.study, relative)


def url_shown_now(study: Study, relative: str) -> str | None:
    """The page's address in the web interface that is running; None in other processes."""
    told_here = os.environ.get(ADDRESS_VARIABLE)
    return _url(told_here, study, relative) if told_here else None


def remember_address(home: Home, address: str) -> None:
    """Keep where the home's pages are shown, for the links of runs that are not told."""
    with told(home.dagster, "note the address of the pages"):
        write_atomic(home.dagster / ADDRESS_FILE, address.encode("utf-8"))


def trace_page_of(asset: str) -> str:
    """The page on which a report's numbers are traced, relative to the address."""
    return f"trace/{asset}"


def trace_html(maker: Maker, asset: str, where: str) -> str:
    """The page ``trace/<asset>?where=…``: one number traced, or the numbers to choose from.

    ``where`` is written as for ``mitt lineage trace``. Raises StudyError for a report or a column
    that is not there, MissingInputError for a report that was not made, IntegrityError for damage.
    """
    from mitt_assets.lineage.numbers import parse_where, report_record
    from mitt_assets.lineage.trace import trace_number
    from mitt_assets.reporting.trace_page import trace_page

    chosen = parse_where(where)
    record = report_record(maker, asset)
    found = _matching(maker.store.table(record), chosen)
    if found.height == 1:
        return trace_page(trace_number(maker, asset, chosen, ROWS_SHOWN)).decode("utf-8")
    return _choice(record.asset, found, chosen)


def _address(home: Home) -> str:
    told_here = os.environ.get(ADDRESS_VARIABLE)
    if told_here:
        return told_here
    noted = home.dagster / ADDRESS_FILE
    return noted.read_text(encoding="utf-8") if noted.is_file() else DEFAULT_ADDRESS


def _url(address: str, study: Study, relative: str) -> str:
    return f"{address.rstrip('/')}/{quote(f'{study.name}/{relative}')}"


def _matching(frame: pl.DataFrame, where: Mapping[str, str]) -> pl.DataFrame:
    from mitt_assets.lineage.numbers import equals

    for column, value in where.items():
        frame = frame.filter(equals(column, value))
    return frame


def _choice(report: str, found: pl.DataFrame, where: Mapping[str, str]) -> str:
    """A page with the values of each column that is still open, and the first numbers."""
    from mitt_assets.lineage.numbers import written
    from mitt_assets.reporting.trace_page import render

    page = render(
        "numbers.html.jinja",
        report=report,
        chosen=written(where),
        total=found.height,
        columns={name: list(_values(found, name, where)) for name in _open(found)},
        numbers=[_number(row) for row in found.head(NUMBERS_SHOWN).iter_rows(named=True)],
    )
    return page.decode("utf-8")


def _open(found: pl.DataFrame) -> list[str]:
    from mitt_assets.lineage.recompute import KEY

    return [name for name in KEY if name != "x" and found[name].n_unique() > 1]


def _values(
    found: pl.DataFrame, column: str, where: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """The values of a column and the link that chooses each."""
    for value in found[column].unique(maintain_order=True):
        yield str(value) or "none", _link({**where, column: str(value)})


def _number(row: Mapping[str, Any]) -> dict[str, str]:
    """A number as its columns, its value and the link to its trace."""
    from mitt_assets.lineage.numbers import value_text
    from mitt_assets.lineage.recompute import KEY
    from mitt_assets.reporting.wording import interval, number

    named = {name: value_text(row[name]) for name in KEY}
    return {
        **named,
        "value": f"{number(row['estimate'])} {interval(row['low'], row['high'])}",
        "link": _link(named),
    }


def _link(where: Mapping[str, str]) -> str:
    from mitt_assets.lineage.numbers import written

    return "?" + urlencode({"where": written(where)})
