"""What the report says of partitions that no number rests on."""

from __future__ import annotations

from types import SimpleNamespace

from mitt_assets.assets.study_page import _left_out
from mitt_assets.study import Study
from tests.conftest import MINIATURE


def left_out(variants: tuple[str, ...], reasons: dict[str, str]) -> list[tuple[str, str, str]]:
    chosen = {name: MINIATURE["variants"][name] for name in variants}  # type: ignore[index]
    study = Study.model_validate(
        {**MINIATURE, "variants": chosen, "statistics": {"resamples": 100}}
    )
    return _left_out(SimpleNamespace(study=study, left_out=reasons))  # type: ignore[arg-type]


def test_a_refused_translation_is_the_reason_for_all_that_follows() -> None:
    refused = {
        "translations[de]": "translations[de], whose checks failed",
        "base/traces[de|llama]": "not materialised",
        "base/probes[tl|llama]": "base/probes[tl|llama], whose checks failed",
        "base/windows[tl|llama]": "not materialised",
    }
    assert left_out(("base",), refused) == [
        ("translations", "de", "translations[de], whose checks failed"),
        ("base/probes", "tl|llama", "base/probes[tl|llama], whose checks failed"),
    ]


def test_one_translation_is_named_once_for_all_variants_and_models() -> None:
    found = left_out(("base", "mitt", "own_prefix"), {"translations[de]": "refused"})
    assert found == [("translations", "de", "refused")]
