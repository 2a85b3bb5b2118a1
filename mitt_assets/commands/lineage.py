"""``mitt lineage``: from any number to what made it, and back."""

from __future__ import annotations

import click

from mitt_assets.lazy_group import LazyGroup

COMMANDS = {
    "trace": ("mitt_assets.commands.lineage_trace:trace", "A number, back to its first rows."),
    "impact": ("mitt_assets.commands.lineage_impact:impact", "What rests on a row, a model…"),
    "diff": ("mitt_assets.commands.lineage_diff:diff", "What differs between two homes or roots."),
    "audit": ("mitt_assets.commands.lineage_audit:audit", "Is everything what it was?"),
    "reproduce": ("mitt_assets.commands.lineage_reproduce:reproduce", "Make it again; compare."),
    "export": ("mitt_assets.commands.lineage_export:export", "For other tools to read."),
    "keygen": ("mitt_assets.commands.lineage_sign:keygen", "A key to sign with."),
    "sign": ("mitt_assets.commands.lineage_sign:sign", "Sign what is current."),
}
"""Where each command is, and its line in the help: reading that must import nothing."""


@click.group(cls=LazyGroup, table=COMMANDS)
def lineage() -> None:
    """Answer from records that stand beside the data: what made a number, and what rests on it.

    \b
    mitt lineage trace reports/scaling --where language=tl,budget=128,variant=mitt
    mitt lineage impact problem 3f2a…        what a contaminated problem touches
    mitt lineage audit                       re-hash everything, check every edge
    """
