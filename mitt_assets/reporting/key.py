"""The key of a figure: colour and marker of every series, as small inline drawings."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass

from mitt_assets.reporting.panels import Panel
from mitt_assets.reporting.style import MUTED, Ink

_SHAPES = {
    "o": '<circle cx="10" cy="5" r="3.6"/>',
    "s": '<rect x="6.8" y="1.8" width="6.4" height="6.4"/>',
    "D": '<path d="M10 0.8 14.2 5 10 9.2 5.8 5Z"/>',
    "^": '<path d="M10 1 14 8.6 6 8.6Z"/>',
    "v": '<path d="M10 9 14 1.4 6 1.4Z"/>',
    "P": '<path d="M8.6 1h2.8v2.6h2.6v2.8h-2.6v2.6h-2.8v-2.6h-2.6v-2.8h2.6Z"/>',
    "X": '<path d="M7 2 13 8M13 2 7 8" stroke="currentColor" stroke-width="2"/>',
    "p": '<path d="M10 1 14 4 12.5 8.8 7.5 8.8 6 4Z"/>',
    "": "",
}


@dataclass(frozen=True)
class Entry:
    """One line of a key; without a marker a coloured line stands for the series."""

    label: str
    ink: Ink
    marker: str
    line: bool = True
    hollow: bool = False


def entries(panels: Iterable[Panel]) -> tuple[Entry, ...]:
    """Every series of the panels once, in the order they appear."""
    found: dict[tuple[str, str], Entry] = {}
    for panel in panels:
        for one in panel.series:
            entry = Entry(one.label, one.ink, one.marker, hollow=one.hollow)
            if one.points:
                found.setdefault((one.label, one.ink.name), entry)
    return tuple(found.values())


def markers_of(names: Iterable[tuple[str, str]]) -> tuple[Entry, ...]:
    """A key of markers alone, in grey: (label, marker)."""
    return tuple(Entry(label, MUTED, marker, line=False) for label, marker in names)


def ends_of(names: Iterable[str]) -> tuple[Entry, ...]:
    """A key of ends of thinking: the first filled, the others hollow."""
    return tuple(Entry(name, MUTED, "D", hollow=number > 0) for number, name in enumerate(names))


def colours_of(names: Iterable[tuple[str, Ink]]) -> tuple[Entry, ...]:
    """A key of colours alone: (label, colour)."""
    return tuple(Entry(label, ink, "") for label, ink in names)


def markup(key: Iterable[Entry]) -> str:
    """The key as a list of small drawings with their labels."""
    items = "".join(f"<li>{_drawing(one)}{html.escape(one.label)}</li>" for one in key)
    return f'<ul class="key" aria-label="Key">{items}</ul>' if items else ""


def _drawing(one: Entry) -> str:
    colour = f"var(--{one.ink.name})"
    line = f'<path d="M0 5H20" stroke="{colour}" stroke-width="1.7"/>' if one.line else ""
    fill = f'fill="var(--paper)" stroke="{colour}"' if one.hollow else f'fill="{colour}"'
    shape = f'<g style="color: {colour}" {fill}>{_SHAPES[one.marker]}</g>' if one.marker else ""
    return f'<svg viewBox="0 0 20 10" aria-hidden="true">{line}{shape}</svg>'
