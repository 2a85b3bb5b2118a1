"""Verdicts: what a suite said of a partition's bytes, as in-toto test results beside the store.

A verdict is about a content digest and a suite digest. The suite digest covers which partition was
judged, the suite's code, the study's bounds and the content of the inputs, so a verdict never
speaks for other bytes, another partition or another question. No time is in it: judging the same
again gives the same record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any

from checks.suites import module_of
from mitt_assets import partitions
from mitt_assets.errors import IntegrityError
from mitt_assets.graph import Graph
from mitt_assets.lineage import canonical
from mitt_assets.lineage.environment import code_version
from mitt_assets.lineage.statement import Record, label
from mitt_assets.lineage.store import Store
from mitt_assets.study_file import slice_of

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
JUDGING_CODE = ("checks.shape", "checks.suites.shape", "checks.judge", "mitt_assets.tables")
CRITICAL = "critical"


@dataclass(frozen=True)
class Outcome:
    """What one expectation said: of which values, in words, and the rows that failed it."""

    values: str
    says: str
    severity: str
    passed: bool
    count: int = 0
    rows: tuple[Mapping[str, str], ...] = ()
    observed: str = ""

    def sentence(self) -> str:
        """The outcome for a person: what should hold, and how many rows do not."""
        if self.count:
            return f"{self.says} ({self.count} row{'s' if self.count > 1 else ''} not)"
        return f"{self.says} (found {self.observed})" if self.observed else self.says


@dataclass(frozen=True)
class Verdict:
    """All outcomes of one partition under one suite."""

    asset: str
    partition: str | None
    content: str
    suite: str
    library: str
    outcomes: tuple[Outcome, ...]

    @property
    def blocking(self) -> list[Outcome]:
        """Failed expectations that keep readers from this partition."""
        return [one for one in self.outcomes if not one.passed and one.severity == CRITICAL]

    @property
    def warnings(self) -> list[Outcome]:
        """Failed expectations that a person should look at."""
        return [one for one in self.outcomes if not one.passed and one.severity != CRITICAL]

    @property
    def result(self) -> str:
        """PASSED, WARNED or FAILED."""
        return "FAILED" if self.blocking else "WARNED" if self.warnings else "PASSED"


def suite_of(graph: Graph, record: Record) -> str:
    """The digest of the suite as it applies to one record."""
    module = import_module(module_of(record.asset))
    own = partitions.parse(graph.step(record.asset).dimensions, record.partition)
    return canonical.digest(
        {
            "asset": record.asset,
            "partition": record.partition,
            "code": code_version((module.__name__, *JUDGING_CODE, *module.CODE)),
            "study": slice_of(graph.study, [path.format(**own) for path in module.SETTINGS]),
            "inputs": sorted(
                [label(one.asset, one.partition), one.content] for one in record.dependencies
            ),
        }
    )


def keep(store: Store, verdict: Verdict) -> str:
    """Store a verdict and make it the one on its content and suite; returns its digest."""
    digest = store.storage.put(canonical.encode(_statement(verdict)))
    pointer = canonical.encode({"verdict": digest})
    store.storage.write_pointer(_pointer(verdict.content, verdict.suite), pointer)
    return digest


def find(store: Store, content: str, suite: str) -> Verdict | None:
    """The verdict on a content under a suite, verified; None if it was never judged.

    What cannot be read, or speaks of something else, is no verdict: the data are judged again.
    """
    pointer = store.storage.read_pointer(_pointer(content, suite))
    if pointer is None:
        return None
    try:
        found = _parse(json.loads(store.storage.get(str(json.loads(pointer)["verdict"]))))
    except (IntegrityError, ValueError, KeyError, TypeError, IndexError, AttributeError):
        return None
    return found if (found.content, found.suite) == (content, suite) else None


def _pointer(content: str, suite: str) -> str:
    return f"verdicts/{content[:2]}/{content}-{suite}.json"


def _statement(verdict: Verdict) -> dict[str, Any]:
    names = {
        key: sorted({f"{one.values}: {one.says}" for one in some})
        for key, some in (
            ("passedTests", [one for one in verdict.outcomes if one.passed]),
            ("warnedTests", verdict.warnings),
            ("failedTests", verdict.blocking),
        )
    }
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {
                "name": label(verdict.asset, verdict.partition),
                "digest": {"sha256": verdict.content},
                "annotations": {"asset": verdict.asset, "partition": verdict.partition},
            }
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "result": verdict.result,
            "configuration": [{"name": "suite", "digest": {"sha256": verdict.suite}}],
            **names,
            "library": verdict.library,
            "outcomes": [asdict(one) for one in verdict.outcomes],
        },
    }


def _parse(body: dict[str, Any]) -> Verdict:
    subject, predicate = body["subject"][0], body["predicate"]
    return Verdict(
        asset=subject["annotations"]["asset"],
        partition=subject["annotations"]["partition"],
        content=subject["digest"]["sha256"],
        suite=predicate["configuration"][0]["digest"]["sha256"],
        library=predicate["library"],
        outcomes=tuple(
            Outcome(**{**one, "rows": tuple(one["rows"])}) for one in predicate["outcomes"]
        ),
    )
