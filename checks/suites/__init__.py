"""One file per table: what polars measures of it, and the suite that judges the measures.

A module of this package has

- ``SETTINGS``: dotted study keys its bounds come from (``{language}``, ``{model}`` are filled in),
- ``CODE``: modules its measures use beside itself,
- ``measure(subject) -> dict[str, Values]``: values by name, never verdicts,
- ``suites(subject) -> dict[str, ExpectationSuite]``: for each of these names the suite that judges
  it, its first expectation about the number of rows. ``notes`` says each expectation in words;
  ``severity`` "critical" blocks what reads the partition, "warning" asks a person to look.
"""

MODULES = {
    "problems": "checks.suites.problems",
    "translations": "checks.suites.translations",
    "traces": "checks.suites.traces",
    "training_traces": "checks.suites.traces",
    "probes": "checks.suites.probes",
    "windows": "checks.suites.windows",
    "segment_embeddings": "checks.suites.segment_embeddings",
    "consistency": "checks.suites.consistency",
    "training_set": "checks.suites.training_set",
    "adapter": "checks.suites.adapter",
    "base_model": "checks.suites.manifests",
    "sentence_encoder": "checks.suites.manifests",
    "translator": "checks.suites.manifests",
    "reports": "checks.suites.reports",
    "study": "checks.suites.page",
}
"""The suite module of an asset, by the last part of its key; reports share one."""

ON_DEVICE = frozenset({"checks.suites.adapter"})
"""Modules that run a model (an adapter on its base); their checks hold a slot of the pool."""


def module_of(asset: str) -> str:
    """The suite module of an asset."""
    folder, _, name = asset.rpartition("/")
    return MODULES["reports" if folder == "reports" and name != "study" else name]
