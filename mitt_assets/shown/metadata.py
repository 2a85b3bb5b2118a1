"""The metadata of a materialisation: at most ``MOST`` bytes, no raw traces, nothing that acts.

The event log keeps it for good, once for every partition and run.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster_shared.serdes import serialize_value

from mitt_assets import partitions
from mitt_assets.asset_specs import column_lineage
from mitt_assets.home import REPORT_ASSET, Home
from mitt_assets.lineage.statement import Record, label
from mitt_assets.shown.numbers import numbers
from mitt_assets.shown.pictures import loss_panel, panel_of
from mitt_assets.shown.rows import some_rows
from mitt_assets.tables import TABLES
from mitt_assets.ui_pages import REPORT_PAGE, page_url, trace_page_of
from mitt_assets.work import Markdown

if TYPE_CHECKING:
    from mitt_assets.graph import Graph, Step
    from mitt_assets.lineage.store import Store
    from mitt_assets.materialise import Made
    from mitt_assets.reporting.panels import Panel

MOST = 20_000
"""Bytes of metadata that one materialisation may cost."""
SAID = 500
"""Of these, what it may cost to say what was left out."""
ROWS, CHART, LEFT_OUT = "some rows", "chart", "left out"
INPUTS = 1_500
"""Characters of the list of inputs."""
LOSS_FILE = "loss.json"
"""Of an adapter: the loss of every optimiser step."""


def metadata_of(graph: Graph, home: Home, store: Store, made: Made) -> dict[str, Any]:
    """What the web interface shows beside a materialisation."""
    record, step = made.record, graph.step(made.record.asset)
    own = partitions.parse(step.dimensions, record.partition)
    found = {
        **_told(made),
        **numbers(graph.study, step, own, made.frame),
        **_rows(step, made),
        **_chart(_panel(graph, store, made)),
        **_links(home, step),
        **_effort(made),
        "digest": record.content,
        "statement": record.statement,
        "inputs": _inputs(record),
        **column_lineage(graph, step),
    }
    return _bounded(found, made.metadata.keys())


def _bounded(found: dict[str, Any], told: Collection[str]) -> dict[str, Any]:
    """``found`` in at most ``MOST`` bytes; what does not fit is named instead.

    Rows go first, then the chart, then what the step itself said (``told``), the longest first.
    """
    as_kept: Mapping[str, Any] = dg.AssetMaterialization("any", metadata=found).metadata
    sizes = {name: len(serialize_value({name: value})) for name, value in as_kept.items()}
    longest = sorted(set(told) & sizes.keys(), key=lambda name: -sizes[name])
    gone: list[str] = []
    for name in (ROWS, CHART, *longest):
        if sum(sizes.values()) <= MOST - SAID:
            break
        if sizes.pop(name, 0):
            gone.append(name)
    said = f"{', '.join(gone)}: with that it would be more than {MOST:,} bytes"
    kept = {name: value for name, value in found.items() if name in sizes}
    return {**kept, **({LEFT_OUT: said[-SAID // 2 :]} if gone else {})}


def _told(made: Made) -> dict[str, Any]:
    """What the step itself says."""
    return {
        name: dg.MetadataValue.md(value) if isinstance(value, Markdown) else value
        for name, value in made.metadata.items()
        if not isinstance(value, float) or abs(value) < float("inf")
    }


def _rows(step: Step, made: Made) -> dict[str, Any]:
    if made.frame is None or step.table is None:
        return {}
    rows = [dg.TableRecord(row) for row in some_rows(TABLES[step.table], made.frame)]
    return {
        # Dagster knows this name: it is plotted, and shown beside the asset in the graph.
        "dagster/row_count": made.frame.height,
        **({ROWS: dg.MetadataValue.table(rows)} if rows else {}),
    }


def _panel(graph: Graph, store: Store, made: Made) -> Panel | None:
    record, step = made.record, graph.step(made.record.asset)
    if LOSS_FILE in record.files:
        return loss_panel(store.read(record, LOSS_FILE))
    if made.frame is None or step.table is None:
        return None
    own = partitions.parse(step.dimensions, record.partition)
    return panel_of(step.table, graph.study, own, made.frame)


def _chart(panel: Panel | None) -> dict[str, Any]:
    from mitt_assets.reporting.render import markdown_picture, picture

    if panel is None:
        return {}
    return {CHART: dg.MetadataValue.md(markdown_picture(picture([panel]), panel.title))}


def _links(home: Home, step: Step) -> dict[str, Any]:
    """Pages to open; where the server of pages is not running, the command or path beside it."""
    traced = step.table == "estimates"
    number = {
        "trace a number": dg.MetadataValue.url(page_url(home, trace_page_of(step.asset))),
        "in a terminal": f"mitt lineage trace {step.asset} --where … --html trace.html",
    }
    page = {"report": dg.MetadataValue.url(page_url(home, REPORT_PAGE))}
    file = {"report file": dg.MetadataValue.path(home.path / REPORT_PAGE)}
    return {
        **(number if traced else {}),
        **(page if traced or step.asset == REPORT_ASSET else {}),
        **(file if step.asset == REPORT_ASSET else {}),
    }


def _effort(made: Made) -> dict[str, Any]:
    """Seconds, in all and in models, and how fast tokens were computed."""
    speed = made.tokens / made.model_seconds if made.model_seconds else 0.0
    return {
        "seconds": round(made.seconds, 2),
        "model seconds": round(made.model_seconds, 2),
        **({"tokens/s": round(speed, 1)} if speed else {}),
    }


def _inputs(record: Record) -> str:
    """The inputs and their statements, as many as there is room for."""
    lines = [
        f"{label(one.asset, one.partition)} {one.statement[:12]}" for one in record.dependencies
    ]
    shown: list[str] = []
    for line in lines:
        if sum(map(len, shown)) + len(line) > INPUTS:
            shown.append(f"and {len(lines) - len(shown)} more; the statement has them all")
            break
        shown.append(line)
    return "\n".join(shown) or "none"
