"""``mitt run``: materialise what is missing or stale."""

from __future__ import annotations

import signal
import sys
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

import click

from mitt_assets.commands.options import STUDY, selection_options
from mitt_assets.interrupts import end_at_once, quiet_connections
from mitt_assets.threads import MOST

if TYPE_CHECKING:
    from rich.console import Console

    from mitt_assets.home import Home
    from mitt_assets.lineage.store import Store
    from mitt_assets.runner.display import Display
    from mitt_assets.runner.plan import Selection
    from mitt_assets.runner.pool import Pool


@click.command()
@STUDY
@selection_options
@click.option("--limit", type=click.IntRange(min=1), help="Try the chain on the first N problems.")
@click.option("--force", is_flag=True, help="Make the selected partitions even if up to date.")
@click.option("--jobs", type=click.IntRange(1, MOST), help="Worker processes; one a core if empty.")
@click.option("--threads", type=click.IntRange(1, MOST), default=1, help="Threads per worker.")
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), help="Instead of the study's."
)
def run(
    study: str | None,
    selection: Selection,
    limit: int | None,
    force: bool,
    jobs: int | None,
    threads: int,
    device: str | None,
) -> None:
    """Materialise what is missing or stale, in dependency order.

    Each partition is one run in the Dagster instance that `make ui` shows. Ctrl-C ends cleanly;
    the next `mitt run` goes on from there, finished shards included.

    \b
    mitt run                                    everything
    mitt run --select base --language tl        the base chain for Tagalog
    mitt run --variant base --variant mitt      two variants
    mitt run --limit 2                          two problems, in a home of their own
    """
    from rich.console import Console

    from mitt_assets.runner.plan import BAD

    console = Console()
    signal.signal(signal.SIGTERM, _as_interrupt)
    quiet_connections()
    pool, home = _prepare(study, selection, limit, force, jobs, threads, device)
    try:
        _work(pool, console)
    except KeyboardInterrupt:
        end_at_once()
        console.print("Stopped. Finished partitions and shards are kept; run again to go on.")
        sys.exit(130)
    finally:
        if pool.job.devices or pool.job.device == "cpu":
            # Runs of the web interface know no device of their own: one at a time has the GPU.
            _free_dead(home, 1)
    _rebuild_links(home, pool.maker.store)
    _finish(pool, home, console)
    sys.exit(1 if pool.plan.count(*BAD) else 0)


def _prepare(
    name: str | None,
    selection: Selection,
    limit: int | None,
    force: bool,
    jobs: int | None,
    threads: int,
    device: str | None,
) -> tuple[Pool, Home]:
    from mitt_assets.assets.chain import build_graph
    from mitt_assets.home import Home, limited
    from mitt_assets.materialise import Maker
    from mitt_assets.runner.plan import Plan, asked, select
    from mitt_assets.runner.pool import Pool
    from mitt_assets.runner.worker import Job
    from mitt_assets.study_file import find, load_study
    from mitt_assets.threads import usable_cores
    from resources.gpu import device_groups

    file = find(name)
    study = limited(load_study(file), limit)
    graph = build_graph(study)
    tasks = select(graph, selection)
    home = Home(study)
    home.prepare()
    devices = device_groups(study.engine, device)
    workers = jobs or len(devices) or usable_cores()
    # A server is one device: it batches for itself, and must not get base and adapter at once.
    _free_dead(home, 1 if study.engine.name == "server" else len(devices) or workers)
    forced = frozenset(task for task in tasks if force and asked(graph, task, selection))
    maker = Maker(graph, home.store(), home.scratch)
    job = Job(str(file), limit, threads, device, devices)
    tidy = partial(_free_dead, home)
    return Pool(Plan(graph, tasks), maker, job, workers, forced, tidy=tidy), home


def _free_dead(home: Home, slots: int | None = None) -> None:
    """Free what dead runs hold; ``slots`` sets the pool's limit to the devices there are."""
    import dagster as dg

    from mitt_assets.dagster_assets import POOL
    from mitt_assets.runner.reclaim import reclaim

    with home.database(), dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        reclaim(instance)
        if slots is not None:
            instance.event_log_storage.set_concurrency_slots(POOL, slots)


def _work(pool: Pool, console: Console) -> None:
    from mitt_assets.runner.display import Display

    study = pool.graph.study
    console.print(f"Study {study.name}: {len(pool.plan.tasks)} partitions, {pool.jobs} worker(s).")
    with Display(pool, console) as display:
        pool.run()
    display.print_blocked()
    _summary(display, console)


def _summary(display: Display, console: Console) -> None:
    import time

    from mitt_assets.runner.plan import State

    plan = display.pool.plan
    counts = {state: plan.count(state) for state in State}
    said = [f"{count} {state.value}" for state, count in counts.items() if count]
    wall = time.monotonic() - display.started
    console.print(f"{', '.join(said)} in {wall:.0f} s.", highlight=False)
    if display.busy:
        models, checks = (
            one / (wall * display.pool.jobs) for one in (display.model, display.checks)
        )
        shares = f"Models computed {models:.0%} of the workers' time, checks took {checks:.0%}."
        console.print(shares, highlight=False)


def _rebuild_links(home: Home, store: Store) -> None:
    from mitt_assets.errors import IntegrityError
    from mitt_assets.lineage.links import rebuild

    try:
        rebuild(store, home.path)
    except IntegrityError as error:
        click.secho(f"The links under tables/ were not rebuilt: {error}", fg="yellow", err=True)


def _finish(pool: Pool, home: Home, console: Console) -> None:
    from mitt_assets.errors import IntegrityError

    if pool.errors:
        console.print(f"{len(pool.errors)} partition(s) failed; see above.", style="red")
        return
    if pool.refused:
        said = f"{len(pool.refused)} partition(s) refused by their checks; see above."
        console.print(said, style="red")
    try:
        report = None if _report_refused(pool) else home.publish_report(pool.maker.store)
        roots = _roots(pool.maker.store) if report else []
    except IntegrityError as error:
        click.secho(f"No report: {error}", fg="yellow", err=True)
        return
    for kind, root in roots:
        console.print(f"{kind} root: {root}", soft_wrap=True, highlight=False)
    if report is not None:
        console.print(f"Report: {report}", soft_wrap=True, highlight=False, markup=False)


def _roots(store: Store) -> list[tuple[str, str]]:
    """One digest of all that is current, and one of how it was made: worth keeping elsewhere."""
    return [("Content", store.content_root()), ("Statement", store.statement_root())]


def _report_refused(pool: Pool) -> bool:
    """Whether the page's own checks failed: it is told among the refused, and not put out."""
    from mitt_assets.home import REPORT_ASSET

    record = pool.maker.store.current(REPORT_ASSET, None)
    return record is not None and pool.maker.gate.refusal(record) is not None


def _as_interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
