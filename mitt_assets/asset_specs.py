"""What the web interface says of an asset: its place, kind, owner, columns and code.

Groups are sorted by name there, so their names begin with the place in the chain; the variants
share one place, and so stand side by side.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import dagster as dg

from checks.suites import module_of
from mitt_assets.graph import Graph, Step
from mitt_assets.study import Study
from mitt_assets.tables import TABLES
from mitt_assets.ui_pages import REPORT_PAGE, trace_page_of, url_shown_now

PLACES = {"problems": 1, "models": 2, "reports": 4, "lineage": 5}
"""Groups by their place in the chain."""
VARIANT_PLACE = 3
STUDY_TAG, VARIANT_TAG, LANGUAGE_TAG, MODEL_TAG = (
    f"mitt/{name}" for name in ("study", "variant", "language", "model")
)
TAG_LENGTH = 63
"""The longest value Dagster takes for a tag of an asset."""
_MODEL_CODE = ("resources.engines", "resources.models", "resources.encoders", "resources.tuning")


def key_of(asset: str) -> dg.AssetKey:
    """Dagster's key of an asset."""
    return dg.AssetKey(asset.split("/"))


def group_of(group: str) -> str:
    """The group's name in the web interface, its place in the chain first."""
    return f"{PLACES.get(group, VARIANT_PLACE)}_{re.sub('[^A-Za-z0-9_]', '_', group)}"


def described(graph: Graph, step: Step) -> dict[str, Any]:
    """The arguments of ``dg.asset`` that only tell people about a step."""
    return {
        "description": step.text,
        "group_name": group_of(step.group),
        "kinds": kinds_of(step),
        "owners": owners_of(graph.study),
        "tags": {VARIANT_TAG: step.variant[:TAG_LENGTH]} if step.variant else {},
        "metadata": {
            **_column_schema(step),
            **code_references(step),
            **_pages(graph.study, step),
        },
    }


def kinds_of(step: Step) -> set[str]:
    """What a step works with and makes, by the names that the web interface has pictures for."""
    if step.group == "reports":
        return {"report", "polars" if step.table else "matplotlib"}
    models = any(one.startswith(_MODEL_CODE) for one in step.code)
    return {
        "parquet" if step.table else "file",
        *(["huggingface"] if models else ["polars"]),
        *(["pytorch"] if step.gpu else []),
    }


def owners_of(study: Study) -> list[str]:
    """Whoever runs the study."""
    return [f"team:{study.name}"]


def tags_of_run(graph: Graph, step: Step, own: Mapping[str, str]) -> dict[str, str]:
    """What runs are found by; ``own`` are the partition's dimension values."""
    dimensions = {f"mitt/{name}": value for name, value in own.items()}
    variant = {VARIANT_TAG: step.variant} if step.variant else {}
    return {STUDY_TAG: graph.study.name, **variant, **dimensions}


def code_references(step: Step) -> dict[str, Any]:
    """Where the step and its suite stand, in the checkout or where the package is installed."""
    function = inspect.unwrap(step.make)
    references = [
        dg.LocalFileCodeReference(
            file_path=function.__code__.co_filename,
            line_number=function.__code__.co_firstlineno,
            label="how it is made",
        ),
        *(
            dg.LocalFileCodeReference(file_path=suite.origin, label="what is expected of it")
            for suite in [find_spec(module_of(step.asset))]
            if suite and suite.origin
        ),
    ]
    return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=references)}


def column_lineage(graph: Graph, step: Step) -> dict[str, Any]:
    """Which columns of the inputs each column's values stand in."""
    table = TABLES[step.table] if step.table else None
    columns = {
        column.name: deps
        for column in (table.columns if table else ())
        if column.parent and (deps := _column_dependencies(graph, step, column.parent))
    }
    return (
        {"dagster/column_lineage": dg.TableColumnLineage(deps_by_column=columns)} if columns else {}
    )


def _column_dependencies(graph: Graph, step: Step, parent: str) -> list[dg.TableColumnDep]:
    """Columns of the step's inputs that ``parent`` (table.column) stands for."""
    table, _, column = parent.partition(".")
    return [
        dg.TableColumnDep(asset_key=key_of(one.asset), column_name=column)
        for one in step.inputs
        if graph.step(one.asset).table == table
    ]


def _pages(study: Study, step: Step) -> dict[str, Any]:
    """Links into this web interface; those of a materialisation may be of another day's."""
    if step.group != "reports":
        return {}
    pages = {"report": REPORT_PAGE}
    if step.table == "estimates":
        pages["trace a number"] = trace_page_of(step.asset)
    urls = {name: url_shown_now(study, page) for name, page in pages.items()}
    return {name: dg.MetadataValue.url(url) for name, url in urls.items() if url}


def _column_schema(step: Step) -> dict[str, Any]:
    if step.table is None:
        return {}
    columns = [
        dg.TableColumn(
            name=column.name,
            type=column.type,
            description=column.text,
            constraints=dg.TableColumnConstraints(nullable=column.nullable),
        )
        for column in TABLES[step.table].columns
    ]
    return {"dagster/column_schema": dg.TableSchema(columns=columns)}
