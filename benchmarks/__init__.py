"""What the fast ways gain over the plain ones, measured side by side in one run.

Each file prints its ratios and exits with 1 if the two ways disagree. Times are processor time of
one thread, so that other work on the machine counts less; run them with `OMP_NUM_THREADS=1`:

    python -m benchmarks.generation
    python -m benchmarks.long_traces
    python -m benchmarks.probes
    python -m benchmarks.language_id
    python -m benchmarks.consistency
    python -m benchmarks.checks
    python -m benchmarks.lineage
    python -m benchmarks.audit
    python -m benchmarks.code_location
    python -m benchmarks.ui

What the paper's models cost is measured on a GPU (`python -m benchmarks.gpu`), into RESULTS.md.
"""
