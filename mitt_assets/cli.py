"""The ``mitt`` command. A subcommand's module is imported only when it is called.

Dagster and polars cost seconds to import; ``mitt --help`` must not.
"""

from __future__ import annotations

import errno
import io
import os
import sys

import click

from mitt_assets.collector import relax
from mitt_assets.errors import MittError, StorageError
from mitt_assets.interrupts import end_at_once
from mitt_assets.lazy_group import LazyGroup

COMMANDS = {
    "study": ("mitt_assets.commands.study:study", "Start, show and validate a study file."),
    "run": ("mitt_assets.commands.run:run", "Materialise what is missing or stale."),
    "status": ("mitt_assets.commands.status:status", "What is made, stale or missing, and why."),
    "check": ("mitt_assets.commands.check:check", "Judge what is stored; make nothing."),
    "accept": ("mitt_assets.commands.check:accept", "Use refused data nevertheless, on record."),
    "ui": ("mitt_assets.commands.ui:ui", "The graph and its runs in the browser."),
    "prompt": ("mitt_assets.commands.prompt:prompt", "The exact text and tokens a model is sent."),
    "lineage": ("mitt_assets.commands.lineage:lineage", "From any number to what made it."),
    "export": ("mitt_assets.commands.export:export", "Tables as parquet, CSV or JSON lines."),
    "gc": ("mitt_assets.commands.gc:gc", "Free what nothing current needs any more."),
    "organism": ("mitt_assets.organism.cli:organism", "Build the embedded default again."),
}
"""Where each command is, and its line in the help: reading that must import nothing."""


@click.command(
    cls=LazyGroup, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="mitt-assets", prog_name="mitt")
def mitt() -> None:
    """Multilingual test-time scaling, from problems to a report.

    \b
    mitt run --limit 2                 try the whole graph on two problems
    mitt run                           make everything that is missing or stale
    mitt study new mine.yaml           start a study of your own
    mitt run --study mine.yaml         and make it

    \b
    MITT_STUDY   the study, by name or path (default: organism)
    MITT_HOME    where results are kept (default: .mitt)
    MITT_TRACE   set to 1 for the full trace of an error
    """


def main() -> None:
    """Run the command line: errors of the user's are one paragraph, without a trace."""
    relax()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a letter gets its code instead of a trace.
            stream.reconfigure(errors="backslashreplace")
    try:
        code = mitt(standalone_mode=False)
        sys.stdout.flush()
        sys.exit(code if isinstance(code, int) else 0)
    except MittError as error:
        _say(error)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        end_at_once()
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read this has what they wanted.
        _drop_output()
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _drop_output()
        _say(StorageError(f"cannot write the output: {error}. Free space there, then ask again."))
        sys.exit(1)


def _drop_output() -> None:
    """What is still to be written goes nowhere: a second flush at exit must not complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(error: MittError) -> None:
    if os.environ.get("MITT_TRACE") == "1":
        raise error
    click.secho(f"Error: {error}", fg="red", err=True)


if __name__ == "__main__":
    main()
