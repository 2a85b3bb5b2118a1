"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

STUDY = click.option(
    "--study",
    envvar="MITT_STUDY",
    help="A shipped study (organism, paper) or the path of a file.  [env: MITT_STUDY]",
)


def selection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --select, --language, --model and --variant, handed on as one Selection."""

    @click.option("--select", multiple=True, help="An asset, its last part, or a prefix (base).")
    @click.option("--language", multiple=True, help="Only these languages.")
    @click.option("--model", multiple=True, help="Only these models.")
    @click.option("--variant", multiple=True, help="Only these variants.")
    @wraps(command)
    def wrapped(
        *arguments: Any,
        select: tuple[str, ...],
        language: tuple[str, ...],
        model: tuple[str, ...],
        variant: tuple[str, ...],
        **keywords: Any,
    ) -> Any:
        from mitt_assets.runner.plan import Selection

        selection = Selection(select, language, model, variant)
        return command(*arguments, selection=selection, **keywords)

    return wrapped
