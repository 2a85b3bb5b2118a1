"""The command line in this process, as a user would get it: exit status and all that was said."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from unittest.mock import patch

from mitt_assets.cli import main


@dataclass(frozen=True)
class Said:
    """What a command ended with; ``output`` is stdout, then stderr."""

    exit_code: int
    output: str


def invoke(*arguments: str) -> Said:
    """Run ``mitt`` with arguments; never raises for a command that fails."""
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.object(sys, "argv", ["mitt", *arguments]),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            return Said(int(end.code or 0), out.getvalue() + err.getvalue())
    return Said(0, out.getvalue() + err.getvalue())


def mitt(*arguments: str) -> str:
    """Run ``mitt`` and give its output; fails the test unless it succeeds."""
    said = invoke(*arguments)
    assert said.exit_code == 0, said.output
    return said.output
