"""Files changed, moved, added and deleted by somebody who updates no digest."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from mitt_assets.lineage import canonical
from tests.tampering.ground import Ground, Key, age, overwrite

PROBES: Key = ("base/probes", "de|llama")
OTHER: Key = ("base/probes", "en|llama")
TRACES: Key = ("base/traces", "de|llama")


def bit(ground: Ground) -> None:
    path = ground.table(ground.record(*PROBES))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    overwrite(path, bytes(data))


def truncated(ground: Ground) -> None:
    path = ground.table(ground.record(*PROBES))
    overwrite(path, path.read_bytes()[:-100])


def deleted(ground: Ground) -> None:
    ground.table(ground.record(*PROBES)).unlink()


def other(ground: Ground) -> None:
    overwrite(
        ground.table(ground.record(*PROBES)), ground.table(ground.record(*OTHER)).read_bytes()
    )


def adapter_bytes(ground: Ground) -> None:
    files = [
        ground.object(ground.record(f"{name}/adapter", "llama").files["adapter_model.safetensors"])
        for name in ("mitt", "own_prefix")
    ]
    overwrite(files[0], files[1].read_bytes())


def statement_edited(ground: Ground) -> None:
    path = ground.object(ground.record(*TRACES).statement)
    overwrite(path, path.read_bytes().replace(b'"cores":', b'"cores":1'))


def statement_deleted(ground: Ground) -> None:
    ground.object(ground.record(*TRACES).statement).unlink()


def pointer_deleted(ground: Ground) -> None:
    ground.pointer(PROBES).unlink()


def pointer_garbage(ground: Ground) -> None:
    overwrite(ground.pointer(PROBES), b'{"asset": "base/pro')


def pointer_content(ground: Ground) -> None:
    body = json.loads(ground.pointer(PROBES).read_bytes())
    body["content"] = ground.record(*OTHER).content
    overwrite(ground.pointer(PROBES), canonical.encode(body))


def pointers_swapped(ground: Ground) -> None:
    one, two = (ground.pointer(key).read_bytes() for key in (PROBES, OTHER))
    overwrite(ground.pointer(PROBES), two)
    overwrite(ground.pointer(OTHER), one)


def file_added(ground: Ground) -> None:
    ground.path("notes.txt").write_text("mine", encoding="utf-8")


def object_added(ground: Ground) -> None:
    age(ground.object(ground.put(b"nobody names me")))


def page_edited(ground: Ground) -> None:
    path = ground.home / "report" / "report.html"
    overwrite(path, path.read_bytes().replace(b"0.", b"1.", 1))


def csv_edited(ground: Ground) -> None:
    path = min((ground.home / "report" / "figures").glob("*.csv"))
    overwrite(path, path.read_bytes() + b"one,more,row\n")


def page_added(ground: Ground) -> None:
    (ground.home / "report" / "more.html").write_text("see also", encoding="utf-8")


def _link(ground: Ground, language: str) -> Path:
    return ground.home / "tables" / "base" / "probes" / "llama" / f"{language}.parquet"


def link_moved(ground: Ground) -> None:
    path = _link(ground, "de")
    path.unlink()
    path.symlink_to(_link(ground, "en").readlink())


def link_replaced(ground: Ground) -> None:
    path = _link(ground, "de")
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)


def verdict_edited(ground: Ground) -> None:
    digest = json.loads(ground.verdict(PROBES).read_bytes())["verdict"]
    path = ground.object(digest)
    overwrite(path, path.read_bytes().replace(b'"passed":true', b'"passed":!!!!', 1))


def verdict_deleted(ground: Ground) -> None:
    ground.verdict(PROBES).unlink()


def verdict_moved(ground: Ground) -> None:
    overwrite(ground.verdict(PROBES), ground.verdict(OTHER).read_bytes())


def verdict_turned(ground: Ground) -> None:
    digest = json.loads(ground.verdict(PROBES).read_bytes())["verdict"]
    body = json.loads(ground.object(digest).read_bytes())
    body["predicate"]["outcomes"][0].update(passed=False, severity="critical")
    body["predicate"]["result"] = "PASSED"
    pointer = {"verdict": ground.put(canonical.encode(body))}
    overwrite(ground.verdict(PROBES), canonical.encode(pointer))


def accepted(ground: Ground) -> None:
    record, verdict = ground.record(*PROBES), ground.verdict(PROBES)
    said = {
        "asset": record.asset,
        "partition": record.partition,
        "content": record.content,
        "suite": verdict.stem.partition("-")[2],
        "checks": ["the answer is read"],
        "reason": "because",
        "by": "nobody",
        "when": "2026-01-01T00:00:00+00:00",
    }
    path = ground.path("overrides", record.content[:2], verdict.name)
    path.parent.mkdir(parents=True)
    path.write_bytes(canonical.encode(said))


def history_removed(ground: Ground) -> None:
    shutil.rmtree(ground.history(PROBES)[0].parent)


def entry_edited(ground: Ground) -> None:
    overwrite(ground.history(PROBES)[0], ground.record(*OTHER).statement.encode())


def entry_foreign(ground: Ground) -> None:
    moment = ground.history(PROBES)[0].name.partition("-")[0]
    statement = ground.record(*OTHER).statement
    ground.history(PROBES)[0].with_name(f"{moment}-{statement}").write_text(statement)


def entry_renamed(ground: Ground) -> None:
    entry = ground.history(PROBES)[0]
    entry.rename(entry.with_name("yesterday"))


def entry_dated(ground: Ground) -> None:
    entry = ground.history(PROBES)[0]
    entry.rename(entry.with_name(f"20200101T000000.000000Z-{entry.name.rpartition('-')[2]}"))


def rolled_back(ground: Ground) -> None:
    was = ground.record(*PROBES)
    ground.store.commit(was, {"table.parquet": ground.table(ground.record(*OTHER))})
    ground.write_pointer(PROBES, was)
