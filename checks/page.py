"""The suites in words and the last results, as one HTML page that loads nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from checks.verdicts import Outcome
from mitt_assets.lineage.statement import label
from mitt_assets.materialise import Maker


@dataclass
class Expectation:
    """One expectation over all judged partitions of an asset."""

    values: str
    says: str
    severity: str
    passed: int = 0
    failed: list[tuple[str, Outcome]] = field(default_factory=list)


@dataclass
class Section:
    """An asset: its expectations, and the partitions nobody judged."""

    asset: str
    text: str
    expectations: list[Expectation]
    judged: int
    unjudged: list[str]


def checks_page(maker: Maker) -> bytes:
    """The page, in UTF-8. Texts from the data are escaped and were cut when they were judged."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found = (_section(maker, asset) for asset in maker.graph.steps)
    sections = [section for section in found if section is not None]
    template = environment.get_template("page.html.jinja")
    return template.render(study=maker.graph.study.name, sections=sections).encode("utf-8")


def _section(maker: Maker, asset: str) -> Section | None:
    """What is known of one asset; None if nothing of it is stored."""
    expectations: dict[tuple[str, str], Expectation] = {}
    judged, unjudged = 0, []
    for partition in maker.graph.partitions(asset):
        record = maker.store.current(asset, partition)
        verdict = maker.gate.verdict(record) if record else None
        if record and verdict is None:
            unjudged.append(label(asset, partition))
        judged += verdict is not None
        for one in verdict.outcomes if verdict else ():
            row = expectations.setdefault(
                (one.values, one.says), Expectation(one.values, one.says, one.severity)
            )
            row.passed += one.passed
            row.failed += [] if one.passed else [(partition or asset, one)]
    if not judged and not unjudged:
        return None
    step = maker.graph.step(asset)
    return Section(asset, step.text, list(expectations.values()), judged, unjudged)
