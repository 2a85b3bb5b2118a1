"""Windows of a thought and the language each is in."""

from __future__ import annotations

from mitt_assets.method.windows import windows_frame
from mitt_assets.work import Product, Work


def make_windows(work: Work) -> Product:
    """Cut every thought into windows and label them."""
    identifier = work.services.identifier()
    settings = work.study.windows
    frame = windows_frame(
        work.table("traces"),
        lambda texts: identifier.identify(texts, settings.candidates),
        identifier.count_words,
        settings,
    )
    undetermined = (frame["label"] == "undetermined").mean()
    return Product(
        frame=frame,
        metadata={
            "windows": frame.height,
            "share undetermined": undetermined,
            "share at the prior": frame["at_prior"].mean(),
        },
        parameters={"identifier": identifier.describe()},
    )
