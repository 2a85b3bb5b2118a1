"""Whole chains, reports, verdicts and signatures made anew, so that little or nothing disagrees."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace

import polars as pl

from checks import verdicts
from mitt_assets.lineage import canonical
from tests.tampering.bytes_ import PROBES
from tests.tampering.ground import Body, Ground, Key, internal, overwrite, resolved
from tests.tampering.statements import turned

SCALING: Key = ("reports/scaling", None)
STUDY: Key = ("reports/study", None)


def number(ground: Ground) -> None:
    def change(frame: pl.DataFrame) -> pl.DataFrame:
        first = pl.int_range(pl.len()) == 0
        return frame.with_columns(
            estimate=pl.when(first)
            .then(pl.col("estimate").fill_null(0) + 0.125)
            .otherwise(pl.col("estimate"))
        )

    ground.retable(SCALING, change)
    _follow(ground, {SCALING})


def number_dropped(ground: Ground) -> None:
    ground.retable(("reports/drift", None), lambda frame: frame[1:])
    _follow(ground, {("reports/drift", None)})


def page(ground: Ground) -> None:
    record = ground.record(*STUDY)
    files = {name: ground.object(digest).read_bytes() for name, digest in record.files.items()}
    edited = {name: data.replace(b"0.5", b"0.9", 1) for name, data in files.items()}
    assert edited != files
    ground.refile(STUDY, edited, clean=True)
    for name, data in edited.items():
        overwrite(ground.home / "report" / name, data)


def row_and_chain(ground: Ground) -> None:
    """Rows changed, and every record that rests on them told so; verdicts moved along."""
    verdict = ground.verdict(PROBES)
    ground.retable(PROBES, turned)
    _follow(ground, {PROBES})
    verdict.unlink()


def chain(ground: Ground) -> None:
    """Another machine in every record: all bytes and all times as they were."""
    _follow(ground, set(ground.keys), _another_machine)


def last(ground: Ground) -> None:
    ground.restate(STUDY, _another_machine, clean=True)


def _another_machine(body: Body) -> None:
    internal(body)["environment"]["processor"] = "Another Processor"


def gone(ground: Ground) -> None:
    """The page, as if it had never been made."""
    record, verdict = ground.record(*STUDY), ground.verdict(STUDY)
    judged = json.loads(verdict.read_bytes())["verdict"]
    for digest in {*record.files.values(), record.statement, judged}:
        ground.object(digest).unlink()
    shutil.rmtree(ground.history(STUDY)[0].parent)
    ground.pointer(STUDY).unlink()
    verdict.unlink()
    shutil.rmtree(ground.home / "report")
    shutil.rmtree(ground.home / "tables" / "reports" / "study")


def verdict(ground: Ground) -> None:
    """Every expectation of a partition passed, or so it says, with nothing else seen."""
    path = ground.verdict(PROBES)
    content, _, suite = path.stem.partition("-")
    was = verdicts.find(ground.store, content, suite)
    assert was is not None
    said = tuple(replace(one, passed=True, observed="as it should be") for one in was.outcomes)
    old = json.loads(path.read_bytes())["verdict"]
    verdicts.keep(ground.store, replace(was, outcomes=said))
    assert json.loads(path.read_bytes())["verdict"] != old
    ground.object(old).unlink()


def signature_deleted(ground: Ground) -> None:
    for path in ground.path("signatures").iterdir():
        for digest in json.loads(path.read_bytes()).values():
            ground.object(digest).unlink()
        path.unlink()


def envelope(ground: Ground) -> None:
    """A signed state that says something else under the old signature."""
    (path,) = ground.path("signatures").iterdir()
    pointer = json.loads(path.read_bytes())
    body = json.loads(ground.object(pointer["envelope"]).read_bytes())
    body["payload"] = body["payload"][:-8] + "AAAA" + body["payload"][-4:]
    pointer["envelope"] = ground.put(canonical.encode(body))
    overwrite(path, canonical.encode(pointer))


def envelope_gone(ground: Ground) -> None:
    (path,) = ground.path("signatures").iterdir()
    ground.object(json.loads(path.read_bytes())["envelope"]).unlink()


def _follow(ground: Ground, changed: set[Key], also: Callable[[Body], None] | None = None) -> None:
    """Make the record anew of everything that rests on ``changed``, and with ``also`` of all.

    Old statements go and histories are rewritten.
    """
    for key in ground.keys:
        read = {(one.asset, one.partition) for one in ground.record(*key).dependencies}
        if read & changed or also is not None:

            def change(body: Body) -> None:
                for edge in resolved(body):
                    if edge["annotations"]["kind"] == "partition":
                        now = ground.record(edge["name"], edge["annotations"]["partition"])
                        edge["digest"]["sha256"] = now.content
                        edge["annotations"]["statement"] = now.statement
                if also is not None:
                    also(body)

            ground.restate(key, change, clean=True)
            changed = changed | {key}
