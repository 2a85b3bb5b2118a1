"""Options that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

STUDY = click.option(
    "--study",
    envvar="MITT_STUDY",
    help="A shipped study (organism, paper) or the path of a file.  [env: MITT_STUDY]",
)

COULD_NOT_RUN = 2
"""Exit code of a command that could not answer, where 1 is an answer."""


def exits_with_2(command: Callable[..., Any]) -> Callable[..., Any]:
    """For commands that answer by exit code: an error of the user's is not their answer 1."""

    @wraps(command)
    def wrapped(*arguments: Any, **keywords: Any) -> Any:
        from mitt_assets.errors import MittError

        try:
            return command(*arguments, **keywords)
        except MittError as error:
            click.secho(f"Error: {error}", fg="red", err=True)
            sys.exit(COULD_NOT_RUN)

    return wrapped


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
