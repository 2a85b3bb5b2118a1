"""Records of partitions that benchmarks store without making them."""

from __future__ import annotations

from collections.abc import Sequence

from mitt_assets.lineage.statement import Provenance, Record


def provenance(asset: str, partition: str | None, inputs: Sequence[Record]) -> Provenance:
    """As little as a statement can say of how its content was made."""
    return Provenance(
        asset=asset,
        partition=partition,
        dependencies=tuple(one.dependency() for one in inputs),
        study_slice={},
        code={},
        environment={},
        run_id="benchmark",
        started="",
        ended="",
    )
