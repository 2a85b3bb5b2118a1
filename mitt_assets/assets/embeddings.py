"""Embeddings of the parts of a thought, and how consistent they are."""

from __future__ import annotations

from mitt_assets.assets.models import verified_encoder
from mitt_assets.method.consistency import consistency_frame
from mitt_assets.method.windows import segment_texts
from mitt_assets.work import Product, Work


def make_segment_embeddings(work: Work) -> Product:
    """Embed the first window and every segment of every thought."""
    import polars as pl

    verified_encoder(work)
    parts = segment_texts(work.table("traces"), work.study.windows)
    with work.model_time():
        vectors = work.services.encoder().encode(parts["text"].to_list())
    column = pl.Series("vector", vectors.tolist(), dtype=pl.List(pl.Float32))
    return Product(
        frame=parts.drop("text").with_columns(column),
        metadata={"parts": parts.height, "dimension": int(vectors.shape[1])},
    )


def make_consistency(work: Work) -> Product:
    """Compare samples of a problem with each other and with the reference language's."""
    own = work.table("segment_embeddings", work.partition)
    reference = work.table(
        "segment_embeddings", f"{work.study.statistics.reference}|{work.own['model']}"
    )
    frame = consistency_frame(own, reference, rolling=work.study.windows.rolling)
    initial = frame.filter(frame["unit"] == "initial")
    return Product(
        frame=frame,
        metadata={
            "first thoughts, within": initial["within"].mean(),
            "first thoughts, to the reference": initial["to_english"].mean(),
        },
    )
