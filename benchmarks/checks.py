"""What it costs to judge a million windows: seconds and memory of the windows suite.

Traces of 4,096 tokens are cut and labelled by the step's own functions, and repeated under other
ids; a process of its own then judges the partition, as it would after the step.
"""

from __future__ import annotations

import multiprocessing
import random
import resource
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.records import provenance

if TYPE_CHECKING:
    import polars as pl


WINDOWS, TOKENS, UNIQUE = 1_000_000, 4_096, 40
SECONDS, GIGABYTES = 10.0, 1.5
"""What it may cost at most, the library's import included in the memory and not in the time."""
PARTITION = "en|llama"
WORDS = "the first of these numbers is three times what we add to it so then there are still"


def prepare(folder: Path) -> int:
    """Commit traces and their windows; returns how many windows there are."""
    import polars as pl

    from mitt_assets.lineage.store import open_store, write_table
    from mitt_assets.method.windows import windows_frame
    from mitt_assets.study_file import load_study
    from mitt_assets.tables import TABLES
    from resources.language_id import BulkLangid

    settings, identifier = load_study("organism").windows, BulkLangid()
    few = _traces()
    cut = windows_frame(
        few,
        lambda texts: identifier.identify(texts, settings.candidates),
        identifier.count_words,
        settings,
    )
    times = WINDOWS // cut.height + 1
    store = open_store(folder)
    made = []
    for asset, frame in (("base/traces", few), ("base/windows", cut)):
        schema = TABLES[asset.rpartition("/")[2]].schema()
        many = pl.concat(
            frame.with_columns(trace_id=pl.format("{}-{}", pl.lit(i), "trace_id"))
            for i in range(times)
        )
        files = {"table.parquet": write_table(many.cast(dict(schema)))}  # type: ignore[arg-type]
        made.append(store.commit(provenance(asset, PARTITION, made), files))
    return cut.height * times


def _traces() -> pl.DataFrame:
    """A few thoughts of equal length, a word to a token, in the columns of the table."""
    import polars as pl

    draw = random.Random(0)
    rows = []
    for number in range(UNIQUE):
        words = [f"{draw.choice(WORDS.split())} " for _ in range(TOKENS)]
        starts = [0]
        for word in words[:-1]:
            starts.append(starts[-1] + len(word))
        rows.append(
            {
                **dict.fromkeys(("translation_id", "problem_id", "variant"), "base"),
                **dict.fromkeys(("sample", "seed", "prompt_tokens", "prefix_tokens"), 0),
                "trace_id": f"trace-{number}",
                "language": "en",
                "model": "llama",
                "token_ids": [draw.randrange(1_000) for _ in words],
                "text": "".join(words),
                "offsets": starts,
                "think_tokens": TOKENS,
                "think_ends": [],
                "finish_reason": "budget",
            }
        )
    return pl.DataFrame(rows)


def judge_windows(folder: str) -> tuple[str, float, float]:
    """Judge the partition; the verdict, seconds and the most gigabytes held."""
    import great_expectations  # noqa: F401, I001 - imported once per worker, not once per partition

    from checks.judge import judge
    from checks.subject import Subject
    from mitt_assets.assets.chain import build_graph
    from mitt_assets.lineage.store import open_store
    from mitt_assets.study_file import load_study
    from resources.services import StudyServices

    study = load_study("organism")
    store = open_store(Path(folder))
    record = store.current("base/windows", PARTITION)
    assert record is not None
    services = StudyServices(study, Path(folder) / "cache", "cpu")
    subject = Subject(build_graph(study), store, record, services)
    clock = time.perf_counter()
    verdict = judge(subject)
    seconds = time.perf_counter() - clock
    said = "; ".join(one.sentence() for one in verdict.blocking) or verdict.result
    return said, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def main() -> int:
    """Print the costs; 1 if they are above the targets."""
    with TemporaryDirectory() as folder:
        context = multiprocessing.get_context("spawn")
        with context.Pool(1) as pool:
            windows = pool.apply(prepare, (Path(folder),))
        with context.Pool(1) as pool:
            said, seconds, gigabytes = pool.apply(judge_windows, (folder,))
    print(f"{windows:,} windows: {said}, {seconds:.1f} s (target at most {SECONDS:.0f}),")
    print(f"at most {gigabytes:.2f} GB held (target at most {GIGABYTES})")
    return int(seconds > SECONDS or gigabytes > GIGABYTES or said == "FAILED")


if __name__ == "__main__":
    sys.exit(main())
