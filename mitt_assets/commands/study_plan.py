"""``mitt study validate --plan``: what a study takes, as a page of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from mitt_assets.costs.memory import ModelMemory
    from mitt_assets.costs.plan import Plan


def print_plan(plan: Plan, console: Console) -> None:
    """Requests, tokens, hours, memory and disk; what is assumed stands beside the number."""
    counts = ", ".join(f"{count} for {split}" for split, count in plan.problems.items())
    console.print(f"[bold]The plan of {plan.study}[/bold]: {plan.partitions} partitions; {counts}.")
    _print_stages(plan, console)
    _print_models(plan, console)
    _print_disk(plan, console)
    for note in plan.notes:
        console.print(note)


def _print_stages(plan: Plan, console: Console) -> None:
    from rich.table import Table

    share, speed = plan.terms.mean_share, plan.terms.tokens_per_second
    bound = "at most" if share == 1 else f"at {share:.0%} of the budget"
    heads = ("stage", "partitions", "requests", "tokens generated", "tokens read", "hours")
    table = Table(*heads, box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for stage in plan.stages:
        hours = plan.hours(stage)
        table.add_row(
            stage.name,
            f"{stage.partitions:,}",
            f"{stage.requests:,}",
            f"{stage.generated:,}",
            f"{stage.read:,}",
            f"{hours:,.1f}" if hours else "",
        )
    console.print(table)
    console.print(
        f"Tokens {bound}, prompts of {plan.terms.prompt_tokens} tokens. Read as if nothing were"
        " kept; an engine that keeps keys and values reads far less."
    )
    if any(stage.name == "back-translations" for stage in plan.stages):
        console.print(
            "Translations with every attempt and beam; each is put back once, for the check that"
            " compares it with its question."
        )
    console.print(
        f"{plan.generated:,} tokens generated: {plan.generated / speed / 3600:,.1f} hours at"
        f" {speed:,.0f} tokens/s; reading and tuning come on top."
        if speed
        else "Give --tokens-per-second for hours."
    )
    console.print(
        f"Beside the models: {plan.windows:,} windows to label, {plan.texts:,} texts to embed,"
        f" {plan.translations:,} questions to translate."
    )


def _print_models(plan: Plan, console: Console) -> None:
    from rich.table import Table

    from resources.memory import in_gb

    heads = ("model", "weights", "", "KV/token", "KV/trace", "at once", "tuning")
    table = Table(*heads, box=None, pad_edge=False)
    for one in plan.models:
        table.add_row(
            one.slug,
            f"{one.parameters / 10**6:,.1f} M",
            f"{in_gb(one.weights)} {one.dtype}",
            f"{one.cache_per_token / 1000:,.1f} kB",
            in_gb(one.cache_per_trace),
            f"{one.traces_at_once:,}",
            in_gb(one.tuning) if one.tuning else "",
        )
    console.print(
        f"\nMemory, and whole traces at once on a device of {in_gb(plan.terms.device)}"
        " (--gpu-memory):"
    )
    console.print(table)
    for one in plan.models:
        if not one.fits:
            console.print(f"[red]{_misfit(one)}[/red]")


def _misfit(one: ModelMemory) -> str:
    from mitt_assets.costs.memory import USED
    from resources.memory import in_gb

    needed = (one.weights + one.cache_per_trace) / USED
    return (
        f"{one.slug} does not fit: its weights and one trace need a device of {in_gb(int(needed))}."
        " Choose a smaller dtype or budget, or several devices (engine.vllm.tensor_parallel)."
    )


def _print_disk(plan: Plan, console: Console) -> None:
    from resources.memory import in_gb

    adapters = sum(one.adapters for one in plan.models)
    console.print(
        f"\nDisk: tables {in_gb(plan.tables)} before compression, adapters {in_gb(adapters)},"
        f" models from the hub {in_gb(plan.fetched)} (encoder and translator not counted)."
    )
