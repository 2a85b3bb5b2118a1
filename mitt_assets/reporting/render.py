"""Panels to bytes: an SVG that follows the page's colours, and a small PNG for asset metadata.

matplotlib's SVG names a font, ids and colours of its own. In a page with many of them ids would
clash and dark mode would be lost, so ids that nothing refers to go, the others get the figure's
prefix, and every colour becomes a CSS variable. The same panel gives the same bytes: no date, a
fixed salt.
"""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mitt_assets.reporting.panels import BAR, NARROW, WIDE, Panel, Series, draw
from mitt_assets.reporting.style import INKS, PAPER, TEXT, by_light_colour

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mitt",
    "font.family": "DejaVu Sans",
    "axes.titlepad": 5.0,
    "path.simplify": False,
    # Titles are plain text: a dollar sign is a dollar sign.
    "text.parse_math": False,
}
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
_LABEL = "font-size: 8px; text-anchor: {}; fill: var(--{})"
STYLES = {
    _LABEL.format("middle", "muted"): "tm",
    _LABEL.format("end", "muted"): "te",
    _LABEL.format("end", "ink"): "ti",
    "font-weight: 700; font-size: 9px; text-anchor: start; fill: var(--ink)": "tt",
    "fill: none; stroke: var(--grid); stroke-width: 0.8; stroke-linecap: square": "gl",
    **{
        f"fill: none; stroke: var(--{ink.name}); stroke-width: {width}; stroke-linecap: square": (
            f"{kind}-{ink.name}"
        )
        for ink in INKS
        for kind, width in (("cw", WIDE), ("cl", NARROW), ("ci", BAR))
    },
    **{f"fill: var(--{ink.name}); fill-opacity: 0.2": f"cb-{ink.name}" for ink in INKS},
}
"""Styles of the drawings, by the class that replaces them in a page."""
FILLED, HOLLOW = "\u25cf", "\u25cb"
PICTURE_LIMIT = 9_000
"""Bytes of a picture in metadata: Dagster writes metadata, a third longer, into its event log."""


def svg(panel: Panel, prefix: str, description: str) -> str:
    """``panel`` as an SVG element whose ids start with ``prefix``; ``description`` is its label."""
    import matplotlib as mpl

    target = io.StringIO()
    with mpl.rc_context(_SETTINGS):
        figure = _figure(panel.width, panel.height)
        figure.patch.set_visible(False)
        axes = figure.add_axes(_place(panel))
        draw(panel, axes)
        figure.savefig(target, format="svg", transparent=True, metadata=_NO_METADATA)
    return _for_page(target.getvalue(), prefix, description)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def _place(panel: Panel) -> tuple[float, float, float, float]:
    """Left, bottom, width and height of the axes, as shares: room for labels, in points."""
    wide, high = 72 * panel.width, 72 * panel.height
    left = 34.0 + (8 if panel.y_label else 0)
    right = 6.0
    if panel.kind == "dots":
        left = 14 + 4.7 * max((len(row) for row in panel.rows), default=0)
        right = 10.0 if panel.signed or not panel.percent else 16.0
    elif panel.kind == "curve":
        right = 8 + 4.7 * panel.room
    bottom = 30.0 if panel.x_label else 16.0
    top = 20.0
    return left / wide, bottom / high, 1 - (left + right) / wide, 1 - (bottom + top) / high


def _for_page(text: str, prefix: str, description: str) -> str:
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    text = re.sub(r"<style[^>]*>.*?</style>", "", text, flags=re.S)
    text = _colours(_ids(text, prefix))
    text = _classes(_plain(text))
    box = re.search(r'viewBox="([^"]*)"', text)
    label = html.escape(description, quote=True)
    opening = f'<svg viewBox="{box.group(1) if box else ""}" role="img" aria-label="{label}">'
    return re.sub(r"<svg[^>]*>", lambda _: opening, text, count=1)


def _plain(text: str) -> str:
    """Without fonts, idle rotations, groups that say nothing, and digits below a tenth."""
    text = re.sub(r"font: (?:(bold|700) )?([\d.]+)px [^;\"]*", _font, text)
    text = re.sub(r" ?font-family: [^;\"]*;?", "", text)
    text = re.sub(r' transform="rotate\(-?0 [^)]*\)"', "", text)
    text = re.sub(r"(?<=\d)\.(\d)\d+(?=[\s\",)])", r".\1", text)
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"> <", "><", text)
    text = re.sub(r' d="([^"]*)"', _short_path, text)
    return _without_idle_groups(text)


def _short_path(match: re.Match[str]) -> str:
    path = re.sub(r"(\d)\.0(?=[\s\"]|$)", r"\1", match.group(1).strip())
    return f' d="{re.sub(r" ?([MLCQzZ]) ?", lambda m: m.group(1), path)}"'


def _classes(text: str) -> str:
    """Styles that every panel repeats become classes of the page's style sheet."""

    def named(match: re.Match[str]) -> str:
        name = STYLES.get(match.group(1))
        return f' class="{name}"' if name else match.group(0)

    return re.sub(r' style="([^"]*)"', named, text)


def _without_idle_groups(text: str) -> str:
    """Drop ``<g>`` without attributes, with the ``</g>`` that closes it."""
    kept: list[str] = []
    idle: list[bool] = []
    for part in re.split(r"(<g(?: [^>]*)?/?>|</g>)", text):
        if part == "</g>":
            if not idle.pop():
                kept.append(part)
        elif re.match(r"<g(?: [^>]*)?>", part) and not part.endswith("/>"):
            idle.append(part == "<g>")
            if not idle[-1]:
                kept.append(part)
        elif part != "<g/>":
            kept.append(part)
    return "".join(kept).replace("<defs></defs>", "").replace("<defs/>", "")


def _font(match: re.Match[str]) -> str:
    weight = "font-weight: 600; " if match.group(1) else ""
    return f"{weight}font-size: {match.group(2)}px"


def _ids(text: str, prefix: str) -> str:
    used = set(re.findall(r'(?:xlink:)?href="#([^"]+)"|url\(#([^)]+)\)', text))
    names = sorted({one for pair in used for one in pair if one})
    new = {name: f"{prefix}-{number}" for number, name in enumerate(names)}
    text = re.sub(
        r' id="([^"]*)"', lambda m: f' id="{new[m.group(1)]}"' if m.group(1) in new else "", text
    )
    text = re.sub(r'(?:xlink:)?href="#([^"]+)"', lambda m: f'href="#{new[m.group(1)]}"', text)
    return re.sub(r"url\(#([^)]+)\)", lambda m: f"url(#{new[m.group(1)]})", text)


def _colours(text: str) -> str:
    known = by_light_colour()

    def variable(match: re.Match[str]) -> str:
        return known[match.group(0)]

    return re.sub(r"#[0-9a-f]{6}\b", variable, text)


def style_rules() -> str:
    """CSS rules of the classes in STYLES."""
    return "".join(f".{name} {{ {style} }}\n" for style, name in STYLES.items())


def picture(panels: Sequence[Panel]) -> bytes:
    """The first group of a figure's panels as one small PNG, below PICTURE_LIMIT."""
    first = [panel for panel in panels if panel.group == panels[0].group]
    for dots, shown, colours in ((80, 6, 48), (72, 6, 24), (60, 4, 16), (48, 1, 8)):
        data = _png(first[:shown], dots, colours)
        if len(data) < PICTURE_LIMIT:
            return data
    return data


def _png(panels: Sequence[Panel], dots: int, colours: int) -> bytes:
    import matplotlib as mpl
    from PIL import Image

    raw = io.BytesIO()
    columns = 2 if len(panels) == 4 else min(len(panels), 3)
    rows = -(-len(panels) // columns)
    wide = max(panel.width for panel in panels)
    high = max(panel.height for panel in panels)
    heading = 0.28 * (bool(panels[0].group) + bool(_key(panels[0])))
    with mpl.rc_context(_SETTINGS):
        figure = _figure(columns * wide, rows * high + heading)
        figure.set_facecolor(PAPER.light)
        _head(figure, panels[0])
        share = rows * high / (rows * high + heading)
        for number, panel in enumerate(panels):
            left, bottom, width, height = _place(panel)
            column, row = number % columns, rows - 1 - number // columns
            corner = ((column + left) / columns, (row + bottom) / rows * share)
            draw(panel, figure.add_axes((*corner, width / columns, height / rows * share)))
        figure.savefig(raw, format="png", dpi=dots, metadata={"Software": None})
    small = io.BytesIO()
    image = Image.open(raw).convert("RGB").quantize(colours, method=Image.Quantize.MEDIANCUT)
    image.save(small, format="PNG", optimize=True)
    return small.getvalue()


def _key(panel: Panel) -> list[Series]:
    """Series a picture must name itself: curves name theirs at their ends."""
    named = panel.kind == "dots" and len(panel.series) > 1
    return list(panel.series) if named else []


def _head(figure: Figure, panel: Panel) -> None:
    """The group's name, and below it the series in their colours."""
    wide, high = figure.get_size_inches()
    figure.text(0.01, 1 - 0.05 / high, panel.group, va="top", fontsize=10, color=TEXT.light)
    at, line = 0.1, 0.33 if panel.group else 0.05
    for series in _key(panel):
        text = f"{HOLLOW if series.hollow else FILLED} {series.label}"
        place = (at / wide, 1 - line / high)
        figure.text(*place, text, va="top", fontsize=9, color=series.ink.light)
        at += 0.2 + 0.085 * len(text)


def markdown_picture(png: bytes, title: str = "chart") -> str:
    """A Markdown image that carries its own bytes, for asset metadata."""
    return f"![{title}](data:image/png;base64,{base64.b64encode(png).decode('ascii')})"
