"""The study's page: every report in one self-contained HTML file, and the CSV files behind it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mitt_assets import partitions
from mitt_assets.graph import Input, Step
from mitt_assets.lineage.statement import label
from mitt_assets.partitions import LANGUAGE_MODEL, NONE
from mitt_assets.study import Study
from mitt_assets.work import Product, Work

if TYPE_CHECKING:
    import polars as pl

    from mitt_assets.reporting.samples import SampleTrace

REPORTS = ("scaling", "variant_effects", "drift", "consistency", "tokens")
REPORT_FILE = "report.html"
SAMPLED = ("traces", "windows", "probes")
CHAIN = ("traces", "probes", "windows", "consistency")
SETTINGS = (
    "title",
    "variants",
    "problems",
    "engine",
    "generation",
    "probes",
    "windows",
    "encoder",
    "statistics",
)


def step(study: Study) -> Step:
    """The page's step. It shows the languages and models with results, and names none it reads."""
    from mitt_assets.reporting.samples import SHOWN_VARIANTS

    shown = [variant for variant in study.variants if variant in SHOWN_VARIANTS]
    inputs = [Input(f"reports/{report}", f"reports/{report}", required=False) for report in REPORTS]
    inputs += [Input(name, name, required=False) for name in ("problems", "translations")]
    inputs += [
        Input(f"{variant}/{table}", f"{variant}/{table}", required=False)
        for table in SAMPLED
        for variant in shown
    ]
    return Step(
        "reports/study",
        NONE,
        make_page,
        "The whole study on one page that opens from disk.",
        "reports",
        ("mitt_assets.assets.study_page", "mitt_assets.reporting"),
        tuple(inputs),
        settings=SETTINGS,
    )


def make_page(work: Work) -> Product:
    """Put the reports together."""
    from mitt_assets.reporting.page import ReportInputs, build_page

    estimates = {
        report: work.table(f"reports/{report}")
        for report in REPORTS
        if work.has(f"reports/{report}")
    }
    inputs = ReportInputs(
        study=work.study,
        estimates=estimates,
        samples=_samples(work),
        left_out=_left_out(work),
        overrides=_overrides(work),
        content=_contents(work),
        organism=_training_records(work.study),
        problem_counts=_counts(work),
    )
    page = build_page(inputs)
    files = {REPORT_FILE: page.html, **page.csv_files}
    return Product(
        files=dict(files),
        metadata={"bytes": len(page.html), "figures": len(page.charts)},
    )


def _samples(work: Work) -> list[SampleTrace]:
    import polars as pl

    from mitt_assets.assets.reports import joined, usable_partitions
    from mitt_assets.reporting.samples import sample_traces

    usable = usable_partitions(work, SAMPLED)
    frames = {table: joined(work, table, usable) for table in SAMPLED}
    questions = list(work.tables("translations").values())
    if frames["traces"].is_empty() or not questions:
        return []
    return sample_traces(
        work.study,
        traces=frames["traces"],
        windows=frames["windows"],
        probes=frames["probes"],
        translations=pl.concat(questions),
    )


def _left_out(work: Work) -> list[tuple[str, str, str]]:
    """The first table of each chain that is not there or was refused, and why.

    What comes after it in the chain is missing for the same reason.
    """
    found: dict[tuple[str, str, str], None] = {}
    for variant in work.study.variants:
        for key in partitions.keys(work.study, LANGUAGE_MODEL):
            language = partitions.parse(LANGUAGE_MODEL, key)["language"]
            chain = [("translations", language)]
            chain += [(f"{variant}/{table}", str(key)) for table in CHAIN]
            reasons = [(*one, work.left_out.get(label(*one), "")) for one in chain]
            found |= dict.fromkeys([one for one in reasons if one[2]][:1])
    return list(found)


def _overrides(work: Work) -> list[tuple[str, str, str]]:
    """Data accepted in spite of its checks: what, which, and who says why."""
    return [
        (
            str(one["asset"]),
            str(one["partition"] or ""),
            f"{'; '.join(one['checks'])}. Accepted by {one['by']}: {one['reason']}",
        )
        for one in work.overrides
    ]


def _contents(work: Work) -> dict[str, str]:
    return {
        one.asset if one.partition is None else f"{one.asset}[{one.partition}]": one.content
        for taken in work.records.values()
        for one in taken
    }


def _counts(work: Work) -> dict[str, int]:
    if not work.has("problems"):
        return {}
    problems: pl.DataFrame = work.table("problems")
    return {str(row[0]): int(row[1]) for row in problems["split"].value_counts().iter_rows()}


def _training_records(study: Study) -> list[dict[str, Any]]:
    """How the organism's shipped checkpoints were made, for those the study uses."""
    from mitt_assets.organism import checkpoint_path

    records = []
    for slug, model in study.models.items():
        kind, _, name = model.source.partition(":")
        if kind == "organism":
            file = checkpoint_path(name) / "training.json"
            if file.is_file():
                text = file.read_text(encoding="utf-8")
                records.append({"model": slug, **json.loads(text)})
    return records
