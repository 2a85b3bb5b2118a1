"""`mitt organism`: make the embedded default again, check it, and read its corpus."""

import json
import random
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from mitt_assets.organism import SLUGS, checkpoint_path
from mitt_assets.organism.lexicon import LANGUAGES
from mitt_assets.organism.problems import SPLITS, draw_scenarios
from mitt_assets.organism.recipe import recipe
from mitt_assets.threads import MOST

_ENCODER = "encoder"


@click.group("organism")
def organism() -> None:
    """The embedded default: train it, evaluate it, read its corpus.

    \b
    mitt organism sample --count 1                   a problem and a thought in every language
    mitt organism evaluate --slug llama              its accuracy on the development split
    mitt organism train --slug llama --out mine      train it again (minutes)
    """


@organism.command()
@click.option("--slug", type=click.Choice([*SLUGS, _ENCODER]), required=True, help="What to train.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A new folder.")
@click.option("--budget", type=click.IntRange(min=1), help="Tokens; the recipe's by default.")
@click.option("--threads", type=click.IntRange(1, MOST), default=1, show_default=True)
def train(slug: str, out: Path, budget: int | None, threads: int) -> None:
    """Train a reasoner or the sentence encoder from nothing into a new folder."""
    if slug == _ENCODER and budget is not None:
        raise click.UsageError("--budget counts a reasoner's tokens; the encoder has none")
    try:
        if slug == _ENCODER:
            _train_encoder(out, threads)
        else:
            _train_reasoner(slug, out, budget, threads)
    except FileExistsError as error:
        raise click.ClickException(str(error)) from error


def _train_encoder(out: Path, threads: int) -> None:
    from mitt_assets.organism.encoder import train_encoder

    with Console().status("training the sentence encoder"):
        record = train_encoder(out, threads=threads)
    Console().print(f"{out}: {record['seconds']} s, retrieval {record['retrieval_to_english']}")


def _train_reasoner(slug: str, out: Path, budget: int | None, threads: int) -> None:
    from mitt_assets.organism.train import train_reasoner

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("loss {task.fields[loss]:.3f}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as bar:
        task = bar.add_task(f"training {slug}", total=None, loss=float("nan"))

        def show(seen: int, total: int, loss: float) -> None:
            bar.update(task, completed=seen, total=total, loss=loss)

        record = train_reasoner(slug, out, budget_tokens=budget, threads=threads, progress=show)
    last = record["loss_curve"][-1]["loss"]
    Console().print(f"{out}: {record['tokens_seen']} tokens, {record['seconds']} s, loss {last}")


@organism.command()
@click.option("--slug", type=click.Choice(SLUGS), help="A shipped reasoner.")
@click.option("--folder", type=click.Path(path_type=Path), help="A reasoner trained here.")
@click.option("--problems", type=click.IntRange(min=1), help="Per language; the recipe's number.")
@click.option("--threads", type=click.IntRange(1, MOST), default=1, show_default=True)
@click.option("--record", is_flag=True, help="Add the result to the folder's training.json.")
def evaluate(
    slug: str | None, folder: Path | None, problems: int | None, threads: int, record: bool
) -> None:
    """Accuracy by language on the development split, without and with one forced wait."""
    from mitt_assets.organism.evaluate import evaluate_reasoner, record_development

    if (slug is None) == (folder is None):
        raise click.UsageError("name either --slug or --folder")
    place = checkpoint_path(slug) if slug else folder
    assert place is not None
    count = problems or recipe().development["problems"]
    with Console().status(f"{count} problems in {len(LANGUAGES)} languages"):
        try:
            result = evaluate_reasoner(place, problems=count, threads=threads)
        except FileNotFoundError as error:
            raise click.ClickException(str(error)) from error
    table = Table("language", "natural end", "one wait", "finished", "tokens")
    for code, row in result["languages"].items():
        table.add_row(
            code,
            *(str(row[key]) for key in ("natural", "one_wait", "finished")),
            str(row["tokens"]),
        )
    Console().print(table)
    if record:
        record_development(place, result)


@organism.command()
@click.option("--split", type=click.Choice(SPLITS), default="development", show_default=True)
@click.option("--count", type=click.IntRange(min=1), default=2, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--as-json", is_flag=True, help="One JSON object per question, for other programs.")
def sample(split: str, count: int, seed: int, as_json: bool) -> None:
    """Print problems with a trace in every language, so that a person can read the corpus."""
    from mitt_assets.organism.traces import make_trace

    rng = random.Random(seed)
    for scenario in draw_scenarios(split, count, seed):
        if not as_json:
            click.secho(f"\n{scenario.key} = {scenario.answer}", bold=True)
        for code in LANGUAGES:
            trace = make_trace(scenario, code, rng)
            if as_json:
                row = {
                    "key": scenario.key,
                    "language": code,
                    "thought": trace.policy,
                    "question": trace.question,
                    "reply": trace.text,
                }
                click.echo(json.dumps(row, ensure_ascii=False))
                continue
            slips = ", ".join(f"pass {p + 1} event {e + 1}" for p, e in trace.slips) or "none"
            click.secho(f"\n[{code}] thought: {trace.policy}; slips: {slips}", fg="cyan")
            click.echo(f"{trace.question}\n{trace.text}")
