"""``mitt check`` and ``mitt accept``: judge what is stored, and take refused data nevertheless."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from mitt_assets.commands.options import STUDY, selection_options

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from checks.verdicts import Outcome, Verdict
    from mitt_assets.home import Home
    from mitt_assets.materialise import Maker
    from mitt_assets.runner.plan import Selection, Task


@click.command()
@STUDY
@selection_options
@click.option("--limit", type=click.IntRange(min=1), help="The home of `mitt run --limit N`.")
def check(study: str | None, selection: Selection, limit: int | None) -> None:
    """Judge what is stored; nothing is made again.

    Verdicts are kept beside the data; what fails a blocking expectation is read by nobody from
    then on. Exits with 1 if one fails, 2 if a suite could not judge. A page with every expectation
    in words and its last results is written beside the report.

    \b
    mitt check                              everything that is stored
    mitt check --select traces --language de
    """
    from rich.console import Console

    from mitt_assets.home import Home, open_maker

    maker = open_maker(study, limit)
    console = Console()
    tasks = _stored(maker, selection)
    if not tasks:
        console.print("Nothing of the selection is stored; make it with: mitt run")
        return
    home = Home(maker.graph.study)
    verdicts = _judge(console, maker, tasks, home)
    _print(console, tasks, verdicts)
    page = home.path / "report" / "checks.html"
    _write_page(maker, page)
    _say(console, f"Checks: {page}", "")
    sys.exit(_code(tasks, verdicts))


def _judge(console: Console, maker: Maker, tasks: list[Task], home: Home) -> dict[Task, Verdict]:
    """Judge one partition after another and say what failed; those not judged are absent."""
    import dagster as dg

    from checks.dagster_checks import checks_of, judge_in_run
    from mitt_assets.dagster_assets import assets_of
    from mitt_assets.errors import MittError
    from mitt_assets.lineage.statement import label
    from mitt_assets.processes import own_tags
    from mitt_assets.runner.reclaim import reclaim
    from resources.services import StudyServices

    services = StudyServices(maker.graph.study, home.cache)
    assets, checks = assets_of(maker.graph, maker), checks_of(maker.graph, maker)
    tags = {"mitt/by": "mitt check", **own_tags()}
    verdicts: dict[Task, Verdict] = {}
    home.prepare()
    with home.database(), dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        reclaim(instance)
        for number, (asset, partition) in enumerate(tasks, 1):
            head = f"[{number}/{len(tasks)}] {label(asset, partition)}"
            definitions = assets[asset], checks[asset]
            try:
                judge_in_run(instance, maker, definitions, partition, services, tags)
            except MittError as error:
                _say(console, f"{head} could not be judged: {error}", "red")
                continue
            verdict = maker.gate.verdict(maker.required(asset, partition))
            assert verdict is not None  # it was just given
            verdicts[asset, partition] = verdict
            _say(console, f"{head}  {verdict.result.lower()}", "")
            for one in verdict.blocking:
                _say(console, f"  refused: {one.sentence()}{_rows(one)}", "red")
            for one in verdict.warnings:
                _say(console, f"  look at: {one.sentence()}{_rows(one)}", "yellow")
    services.close()
    return verdicts


def _say(console: Console, text: str, style: str) -> None:
    """One line, never read as markup: it may hold what a model wrote."""
    from rich.text import Text

    console.print(Text(text, style=style), highlight=False, soft_wrap=True)


def _rows(outcome: Outcome) -> str:
    """The first failing rows, as they were cut and made printable when judged."""
    some = [", ".join(f"{k} {v}" for k, v in row.items()) for row in outcome.rows[:3]]
    return f": {'; '.join(some)}" if some else ""


@click.command()
@STUDY
@selection_options
@click.option("--limit", type=click.IntRange(min=1), help="The home of `mitt run --limit N`.")
@click.option("--reason", required=True, help="Why the data may be used; the report shows it.")
@click.option("--by", envvar="USER", help="Who says so; if not given, who is logged in.")
@click.option("--withdraw", is_flag=True, help="Take the acceptance back.")
def accept(
    study: str | None,
    selection: Selection,
    limit: int | None,
    reason: str,
    by: str | None,
    withdraw: bool,
) -> None:
    """Let refused partitions be read in spite of their checks.

    It holds for these bytes under these checks only, stands in every statement that rests on
    them, and the report shows it in red.

    \b
    mitt accept --select base/traces --language de --reason "known loop in problem 12"
    """
    from mitt_assets.home import open_maker
    from mitt_assets.lineage.statement import label

    by = _logged_in() if by is None else by
    if not reason.strip() or not by.strip():
        raise click.UsageError("--reason and --by must say something: the report shows them.")
    maker = open_maker(study, limit)
    gate = maker.gate
    done = 0
    for task in _stored(maker, selection):
        record = maker.required(*task)
        verdict = gate.verdict(record)
        if withdraw and gate.override(record) is not None:
            gate.withdraw(record)
            done += 1
            click.echo(f"{label(*task)}: acceptance withdrawn")
        elif not withdraw and verdict is not None and verdict.blocking:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            gate.accept(record, reason, by, now)
            done += 1
            click.echo(f"{label(*task)}: accepted in spite of: {verdict.blocking[0].sentence()}")
    if not done:
        what = "has been accepted" if withdraw else "is refused by its own checks"
        raise click.ClickException(
            f"nothing of the selection {what}; see what is with: mitt status, mitt check"
        )


def _logged_in() -> str:
    """The user this process runs as, who may have no name in a container."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError) as error:  # KeyError: Python 3.12 and older
        raise click.UsageError(
            "who accepts is not known, for this user has no name here; give it: --by NAME"
        ) from error


def _stored(maker: Maker, selection: Selection) -> list[Task]:
    """The selected partitions there are. Raises StudyError for a name the study does not have."""
    from mitt_assets.runner.plan import asked, select

    return [
        task
        for task in select(maker.graph, selection)
        if asked(maker.graph, task, selection) and maker.store.current(*task) is not None
    ]


def _print(console: Console, tasks: list[Task], verdicts: dict[Task, Verdict]) -> None:
    """A line per asset: partitions that passed, that want a look, that are refused."""
    from rich.table import Table

    table = Table("asset", "passed", "to look at", "refused", "not judged", box=None)
    for asset in dict.fromkeys(asset for asset, _ in tasks):
        mine = [task for task in tasks if task[0] == asset]
        results = [verdicts[task].result if task in verdicts else "" for task in mine]
        counts = [results.count(one) for one in ("PASSED", "WARNED", "FAILED", "")]
        table.add_row(asset, *(str(count or "") for count in counts))
    console.print(table)


def _code(tasks: list[Task], verdicts: dict[Task, Verdict]) -> int:
    if len(verdicts) < len(tasks):
        return 2
    return int(any(one.blocking for one in verdicts.values()))


def _write_page(maker: Maker, page: Path) -> None:
    from checks.page import checks_page
    from resources.files import make_folder, told, write_atomic

    with told(page, "write the page of checks"):
        make_folder(page.parent)
        write_atomic(page, checks_page(maker))
