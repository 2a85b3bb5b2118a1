"""The report as one HTML page that loads nothing: charts, tables, traces, assumptions, provenance.

The page is made from estimates and records alone. No time, path or machine is in it, so the same
inputs give the same bytes. Its own script and style are inside; a content policy forbids any other.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mitt_assets.reporting import sections
from mitt_assets.reporting.chart import Chart, to_csv
from mitt_assets.reporting.render import style_rules
from mitt_assets.reporting.samples import SampleTrace
from mitt_assets.reporting.style import variables
from mitt_assets.reporting.wording import plain
from mitt_assets.study import Study

if TYPE_CHECKING:
    import jinja2
    import polars as pl

_FOLDER = Path(__file__).parent


class LeftOut(NamedTuple):
    """A partition no number rests on, and why; or one used against a check, and who says so."""

    asset: str
    partition: str
    reason: str


@dataclass(frozen=True)
class ReportInputs:
    """All the page is made from. ``estimates`` maps a report's name to a frame of ESTIMATES."""

    study: Study
    estimates: Mapping[str, pl.DataFrame]
    samples: Sequence[SampleTrace] = ()
    left_out: Sequence[tuple[str, str, str]] = ()
    overrides: Sequence[tuple[str, str, str]] = ()
    content: Mapping[str, str] = field(default_factory=dict)
    organism: Sequence[Mapping[str, Any]] = ()
    problem_counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class PageResult:
    """The page, and a CSV per figure and per report, by relative file name."""

    html: bytes
    csv_files: dict[str, bytes]
    charts: tuple[Chart, ...]


def build_page(inputs: ReportInputs) -> PageResult:
    """Make the page and the CSV files behind it."""
    view = sections.build(inputs)
    text = _environment().get_template("page.html.jinja").render(view=view, assets=_assets())
    files = {f"figures/{chart.name}.csv": chart.csv.encode("utf-8") for chart in view.charts}
    for name, frame in sorted(inputs.estimates.items()):
        files[f"reports/{name.split('/')[-1]}.csv"] = to_csv(frame).encode("utf-8")
    return PageResult(text.encode("utf-8"), files, view.charts)


def _environment() -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        finalize=_neutral,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _neutral(value: Any) -> Any:
    """Every text that is put into the page, made harmless; our own markup passes."""
    from markupsafe import Markup

    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return plain(value)


def _assets() -> dict[str, Any]:
    """Style and script as markup, and the script's hash for the content policy."""
    from markupsafe import Markup

    script = (_FOLDER / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    css = (_FOLDER / "page.css").read_text(encoding="utf-8")
    return {
        "style": Markup(_themes() + style_rules() + css),
        "script": Markup(script),
        "script_hash": digest,
    }


def _themes() -> str:
    light, dark = variables("light"), variables("dark")
    return (
        f":root {{ {light} color-scheme: light; }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root:not([data-theme=light]) "
        f"{{ {dark} color-scheme: dark; }} }}\n"
        f":root[data-theme=dark] {{ {dark} color-scheme: dark; }}\n"
        f"@media print {{ :root:root[data-theme], :root:root:root {{ {light} "
        "color-scheme: light; } }\n"
    )
