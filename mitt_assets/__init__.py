"""mitt-assets: multilingual test-time scaling and Initial Thought Transfer as a graph of assets.

>>> import mitt_assets
>>> mitt_assets.load("base/probes", language="tl")  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

__all__ = ["load"]


def load(
    asset: str,
    *,
    language: str | None = None,
    model: str | None = None,
    study: str | None = None,
) -> pl.DataFrame:
    """A table of a study, its bytes verified; all partitions that match, one after another.

    ``study`` is a shipped study or a file (``MITT_STUDY`` if not given); ``MITT_HOME`` says where
    its home is. Columns ``language`` and ``model`` are added where the table lacks them.

    Warns of a partition whose checks failed, or that rests on one: no step would read it.
    Raises MissingInputError if nothing matches, IntegrityError if stored bytes were altered.
    """
    import warnings

    import polars as pl

    from mitt_assets import partitions
    from mitt_assets.errors import MissingInputError
    from mitt_assets.home import open_maker
    from mitt_assets.standing import command_for

    maker = open_maker(study)
    step = maker.graph.step(asset)
    wanted = ([language] if language else [], [model] if model else [])
    keys = [
        key
        for key in maker.graph.partitions(asset)
        if partitions.matches(step.dimensions, key, *wanted)
    ]
    frames = []
    for key in keys:
        record = maker.store.current(asset, key)
        if record is not None:
            if refusal := maker.gate.refusal(record):
                warnings.warn(refusal, stacklevel=2)
            own = partitions.parse(step.dimensions, key)
            frame = maker.store.table(record)
            added = {
                name: pl.lit(value) for name, value in own.items() if name not in frame.columns
            }
            frames.append(frame.with_columns(**added))
    if not frames:
        key = keys[0] if keys else None
        raise MissingInputError(
            f"nothing of {asset} matches; make it with: {command_for(asset, key, maker.graph)}"
        )
    return pl.concat(frames)
