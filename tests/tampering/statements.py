"""One partition's record made anew by somebody who knows how records are written."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from mitt_assets.lineage import canonical
from tests.tampering.bytes_ import OTHER, PROBES, TRACES
from tests.tampering.ground import (
    Body,
    Ground,
    Key,
    external,
    internal,
    moments,
    overwrite,
    resolved,
)


def _cores(body: Body) -> None:
    internal(body)["environment"]["cores"] = 64


def pointer_only(ground: Ground) -> None:
    ground.restate(TRACES, _cores, history=False)


def history_too(ground: Ground) -> None:
    ground.restate(TRACES, _cores)


def old_deleted(ground: Ground) -> None:
    ground.restate(TRACES, _cores, clean=True)


def row(ground: Ground) -> None:
    ground.retable(PROBES, turned)


def turned(frame: pl.DataFrame) -> pl.DataFrame:
    """Every second answer the other way."""
    flips = pl.int_range(pl.len()) % 2 == 0
    return frame.with_columns(correct=pl.col("correct") ^ flips)


def exchanged(ground: Ground) -> None:
    files = {key: ground.table(ground.record(*key)).read_bytes() for key in (PROBES, OTHER)}
    ground.refile(PROBES, {"table.parquet": files[OTHER]})
    ground.refile(OTHER, {"table.parquet": files[PROBES]})


def adapter(ground: Ground) -> None:
    other = ground.record("own_prefix/adapter", "llama")
    files = {name: ground.object(digest).read_bytes() for name, digest in other.files.items()}
    ground.refile(("mitt/adapter", "llama"), files, clean=True)


def edge_content(ground: Ground) -> None:
    def change(body: Body) -> None:
        edge = next(one for one in resolved(body) if one["name"] == "base/traces")
        edge["digest"]["sha256"] = ground.record("base/traces", "en|llama").content

    ground.restate(PROBES, change)


def edge_removed(ground: Ground) -> None:
    def change(body: Body) -> None:
        resolved(body)[:] = [one for one in resolved(body) if one["name"] != "base/traces"]

    ground.restate(PROBES, change)


def setting(ground: Ground) -> None:
    ground.restate(TRACES, lambda body: external(body)["study"].update({"generation.seed": 7}))


def code(ground: Ground) -> None:
    ground.restate(PROBES, lambda body: internal(body)["code"].update(version="0" * 64))


def weights(ground: Ground) -> None:
    def change(body: Body) -> None:
        file = next(one for one in resolved(body) if one["name"] == "model.safetensors")
        file["digest"]["sha256"] = "0" * 64

    ground.restate(TRACES, change)


def unverified(ground: Ground) -> None:
    def change(body: Body) -> None:
        file = next(one for one in resolved(body) if one["name"] == "model.safetensors")
        del file["digest"]
        file["annotations"]["digest"] = "unverified"

    ground.restate(TRACES, change)


def _dated(**times: str) -> Callable[[Ground], None]:
    def edit(ground: Ground) -> None:
        ground.restate(PROBES, lambda body: moments(body).update(times))

    return edit


ended_first = _dated(finishedOn="2020-01-01T00:00:00.000+00:00")
set_back = _dated(
    startedOn="2020-01-01T00:00:00.000+00:00", finishedOn="2020-01-01T00:00:09.000+00:00"
)
set_forward = _dated(finishedOn="2999-01-01T00:00:00.000+00:00")
no_time = _dated(startedOn="at noon")


def version(ground: Ground) -> None:
    _restored(
        ground, lambda body: body.update(predicateType="https://mitt-assets.dev/provenance/v9")
    )


def nonsense(ground: Ground) -> None:
    _restored(ground, lambda body: body["predicate"].pop("runDetails"))


def wrong_kind(ground: Ground) -> None:
    _restored(ground, lambda body: internal(body).update(overrides=[1, "two"], seeds=[]))


def _restored(ground: Ground, change: Callable[[Body], object]) -> None:
    """A statement that this program cannot parse, current and in history."""
    import json

    key: Key = ("reports/study", None)
    body = json.loads(ground.object(ground.record(*key).statement).read_bytes())
    change(body)
    digest = ground.put(canonical.encode(body))
    pointer = json.loads(ground.pointer(key).read_bytes())
    overwrite(ground.pointer(key), canonical.encode({**pointer, "statement": digest}))
    entry = ground.history(key)[-1]
    entry.with_name(f"{entry.name.partition('-')[0]}-{digest}").write_text(digest)
    entry.unlink()
