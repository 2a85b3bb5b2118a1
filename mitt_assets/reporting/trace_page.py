"""A trace of one number as an HTML page that loads nothing and runs nothing: folds and links.

Rows open to the rows they came from; every row and input links to its partition's record on the
same page. Texts are escaped, and what would reorder or hide text is shown as a symbol.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mitt_assets.reporting.wording import plain

if TYPE_CHECKING:
    from mitt_assets.lineage.trace import Trace

_FOLDER = Path(__file__).parent


def trace_page(found: Trace) -> bytes:
    """The page, in UTF-8; equal traces give equal bytes."""
    here = {one.record.statement for one in found.partitions}
    return render("trace.html.jinja", trace=found, here=here)


def render(template: str, **values: Any) -> bytes:
    """A template of this folder with its values made harmless, in UTF-8."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        finalize=_neutral,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["json"] = _json
    return environment.get_template(template).render(values).encode("utf-8")


def _neutral(value: Any) -> Any:
    """Every text that is put into the page, made harmless."""
    from markupsafe import Markup

    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return plain(value)


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
