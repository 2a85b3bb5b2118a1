"""How long ``mitt lineage trace`` and ``impact`` take to answer on a million windows.

Windows and their traces are those of `benchmarks/checks.py`, dealt out to every language and model
of a study; the report over them is made by the step's own function. The number asked for is one of
all languages together, so it rests on a quarter of them. Each question is asked in a process of its
own, from its first import to its last line.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.checks import PARTITION, prepare
from benchmarks.records import provenance

if TYPE_CHECKING:
    import polars as pl

    from mitt_assets.lineage.statement import Record
    from mitt_assets.lineage.store import Store

STUDY = "organism"
TRACE_SECONDS, IMPACT_SECONDS = 1.0, 2.0
"""What an answer may take at most, everything included."""
REPEATS = 3
NUMBER = "measure=prompt_share,model=llama,language=all,axis="
ASSETS = ("base/traces", "base/windows")


def prepare_report(home: Path) -> int:
    """Commit windows and traces of every partition, and drift; returns how many windows."""
    import polars as pl

    from mitt_assets.lineage.store import open_store
    from mitt_assets.method.estimates.drift import drift
    from mitt_assets.partitions import LANGUAGE_MODEL, keys, parse
    from mitt_assets.study_file import load_study

    with TemporaryDirectory() as folder:
        prepare(Path(folder))
        whole = open_store(Path(folder))
        made = [whole.current(asset, PARTITION) for asset in ASSETS]
        traces, windows = (whole.table(record) for record in made if record is not None)
    store, study = open_store(home), load_study(STUDY)
    partitions = [str(key) for key in keys(study, LANGUAGE_MODEL)]
    records: list[Record] = []
    parts: list[tuple[pl.DataFrame, pl.DataFrame]] = []
    for number, key in enumerate(partitions):
        place = {name: pl.lit(value) for name, value in parse(LANGUAGE_MODEL, key).items()}
        own = traces[number :: len(partitions)].with_columns(**place)
        cut = windows.join(own, on="trace_id", how="semi", maintain_order="left")
        records.append(_commit(store, ASSETS[0], key, own, []))
        records.append(_commit(store, ASSETS[1], key, cut, records[-1:]))
        parts.append((own, cut.with_columns(**place, variant=pl.lit("base"))))
    all_traces, all_windows = (pl.concat(frames) for frames in zip(*parts, strict=True))
    _commit(store, "reports/drift", None, drift(all_windows, all_traces, study), records)
    return windows.height


def _commit(
    store: Store, asset: str, key: str | None, frame: pl.DataFrame, inputs: list[Record]
) -> Record:
    from mitt_assets.lineage.store import write_table

    return store.commit(provenance(asset, key, inputs), {"table.parquet": write_table(frame)})


def asked(home: Path, *arguments: str) -> float:
    """Seconds the command takes at best; the machine's other work is not its own."""
    command = [sys.executable, "-m", "mitt_assets.cli", "lineage", *arguments, "--study", STUDY]
    seconds = []
    for _ in range(REPEATS):
        clock = time.perf_counter()
        subprocess.run(
            command,
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "MITT_HOME": str(home)},
        )
        seconds.append(time.perf_counter() - clock)
    return min(seconds)


def main() -> int:
    """Print the times; 1 if they are above the targets."""
    with TemporaryDirectory() as folder:
        home = Path(folder)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            windows = pool.apply(prepare_report, (home / STUDY,))
        trace = asked(home, "trace", "drift", "--where", NUMBER)
        impact = asked(home, "impact", "trace", "0-trace-0")
    print(f"{windows:,} windows:")
    print(f"trace {trace:.2f} s (target at most {TRACE_SECONDS:.0f})")
    print(f"impact {impact:.2f} s (target at most {IMPACT_SECONDS:.0f})")
    return int(trace > TRACE_SECONDS or impact > IMPACT_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
