"""Reports: estimates with intervals over the partitions that exist, and the page of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mitt_assets.graph import Input, Step
from mitt_assets.partitions import NONE
from mitt_assets.study import Study
from mitt_assets.work import Markdown, Product, Work

if TYPE_CHECKING:
    import polars as pl

    from mitt_assets.reporting.chart import Chart

STATISTICS = (
    "statistics",
    "generation.budget",
    "generation.waits",
    "probes.stride",
    "windows.segments",
    "windows.rolling",
)


ESTIMATION_CODE = (
    "mitt_assets.method.statistics",
    *(
        f"mitt_assets.method.estimates.{name}"
        for name in ("effort", "panel", "points", "readings", "selection")
    ),
)


def steps(study: Study) -> list[Step]:
    """The report steps of a study."""
    from mitt_assets.assets import study_page

    def step(name: str, make: Callable[[Work], Product], text: str, tables: Sequence[str]) -> Step:
        return Step(
            f"reports/{name}",
            NONE,
            make,
            text,
            "reports",
            (
                "mitt_assets.assets.reports",
                f"mitt_assets.method.estimates.{name}",
                *ESTIMATION_CODE,
            ),
            _everything(study, tables),
            settings=STATISTICS,
            table="estimates",
        )

    return [
        step("scaling", make_scaling, "Accuracy by thinking budget.", ("traces", "probes")),
        step(
            "variant_effects",
            make_variant_effects,
            "What each variant changes, paired by problem.",
            ("probes", "traces", "windows"),
        ),
        step("drift", make_drift, "Languages of thought by position.", ("traces", "windows")),
        step(
            "consistency",
            make_consistency,
            "Agreement of thoughts.",
            ("traces", "probes", "windows", "consistency"),
        ),
        step("tokens", make_tokens, "What a thought costs by language.", ("traces",)),
        study_page.step(study),
    ]


def _everything(study: Study, tables: Sequence[str]) -> tuple[Input, ...]:
    """All partitions of some tables of every variant, where they exist."""
    return tuple(
        Input(f"{variant}/{table}", f"{variant}/{table}", required=False)
        for table in tables
        for variant in study.variants
    )


def make_scaling(work: Work) -> Product:
    """Accuracy by budget, gains from longer thinking, s1's metrics."""
    from mitt_assets.method.estimates.scaling import scaling
    from mitt_assets.reporting.charts import accuracy

    return _estimates(work, ("probes", "traces"), scaling, accuracy)


def make_variant_effects(work: Work) -> Product:
    """Differences between variants, paired by problem, and fidelity beside accuracy."""
    from mitt_assets.method.estimates.variant_effects import variant_effects
    from mitt_assets.reporting import charts

    tables = ("probes", "windows", "traces")
    return _estimates(work, tables, variant_effects, charts.variant_effects)


def make_drift(work: Work) -> Product:
    """Languages of thought by position, with and without undetermined windows."""
    from mitt_assets.method.estimates.drift import drift
    from mitt_assets.reporting.drift import first_thoughts

    return _estimates(work, ("windows", "traces"), drift, first_thoughts)


def make_consistency(work: Work) -> Product:
    """Similarity of thoughts, agreement of samples, kappa over languages."""
    from mitt_assets.method.estimates.consistency import consistency
    from mitt_assets.reporting.charts import initial_thoughts

    tables = ("consistency", "windows", "probes", "traces")
    return _estimates(work, tables, consistency, initial_thoughts)


def make_tokens(work: Work) -> Product:
    """Tokens, characters and steps per problem."""
    from mitt_assets.method.estimates.tokens import tokens
    from mitt_assets.reporting.charts import lengths

    return _estimates(work, ("traces",), tokens, lengths)


def _estimates(
    work: Work,
    tables: Sequence[str],
    estimate: Callable[..., pl.DataFrame],
    draw: Callable[[pl.DataFrame, Study], Chart | None],
) -> Product:
    """Estimate over the partitions that have all ``tables``; the report's key chart as metadata."""
    from mitt_assets.tables import ESTIMATES as TABLE
    from mitt_assets.tables import empty

    usable = usable_partitions(work, tables)
    frames = [joined(work, table, usable) for table in tables]
    frame = estimate(*frames, work.study) if usable else empty(TABLE)
    every = len(work.study.variants) * len(work.study.languages) * len(work.study.models)
    return Product(
        frame=frame,
        metadata={
            "estimates": frame.height,
            "partitions": len(usable),
            "partitions left out": every - len(usable),
            **_picture(draw(frame, work.study)),
        },
    )


def _picture(chart: Chart | None) -> dict[str, Markdown]:
    from mitt_assets.reporting.render import markdown_picture, picture

    if chart is None:
        return {}
    return {"chart": Markdown(markdown_picture(picture(chart.panels), chart.title))}


def usable_partitions(work: Work, tables: Sequence[str]) -> set[tuple[str, str]]:
    """(variant, partition) pairs that have every table, all made from the traces there are now.

    A table made from earlier traces would be counted against the wrong ones; it is left out
    until it is made again.
    """
    usable = set()
    for variant in work.study.variants:
        by_table = {
            table: {one.partition: one for one in work.records.get(f"{variant}/{table}", [])}
            for table in tables
        }
        for partition, traces in by_table["traces"].items():
            found = [records.get(partition) for records in by_table.values()]
            if all(one is not None and one.rests_on(traces) for one in found):
                usable.add((variant, str(partition)))
    return usable


def joined(work: Work, table: str, usable: set[tuple[str, str]]) -> pl.DataFrame:
    """One table over the usable partitions, with language, model and variant columns."""
    import polars as pl

    from mitt_assets.tables import TABLES, empty

    frames = []
    for variant in work.study.variants:
        for record in work.records.get(f"{variant}/{table}", []):
            if (variant, str(record.partition)) in usable:
                language, model = str(record.partition).split("|")
                with work.remedy(record):
                    frame = work.store.table(record)
                added = {"language": language, "model": model, "variant": variant}
                frames.append(frame.with_columns(**{k: pl.lit(v) for k, v in added.items()}))
    if frames:
        return pl.concat(frames)
    text = pl.lit(None, dtype=pl.String)
    return empty(TABLES[table]).with_columns(language=text, model=text, variant=text)
