"""``python -m benchmarks``: every benchmark in turn; exits with 1 if one of them says so."""

from __future__ import annotations

import sys
from importlib import import_module

NAMES = (
    "probes",
    "language_id",
    "consistency",
    "generation",
    "long_traces",
    "checks",
    "lineage",
    "audit",
    "code_location",
    "ui",
    "demo",
)


def main() -> int:
    """Run them in processes' own order, the quick ones first."""
    failed = []
    for name in NAMES:
        print(f"== {name}", flush=True)
        if import_module(f"benchmarks.{name}").main():
            failed.append(name)
    if failed:
        print(f"missed: {', '.join(failed)}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
