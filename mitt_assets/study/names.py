"""Whether the names that parts of a study use are declared, in it or (units) by us."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mitt_assets.study import Study


def undeclared_names(study: Study) -> list[str]:
    """A complaint for every name that is used and not declared, each with its place."""
    return [
        *_unknown_languages(study),
        *_unknown_models(study),
        *_unknown_variants(study),
        *_unserved_models(study),
        *_unknown_units(study),
    ]


def _unknown_languages(study: Study) -> list[str]:
    used: dict[str, tuple[str, ...]] = {
        "problems.language": (study.problems.language,),
        "statistics.reference": (study.statistics.reference,),
        "translation.languages": tuple(study.translation.languages),
    }
    for name, variant in study.variants.items():
        place = f"variants.{name}"
        if variant.recipe:
            recipe = variant.recipe
            used[f"{place}.recipe.source_languages"] = recipe.source_languages
            used[f"{place}.recipe.whole_languages"] = recipe.whole_languages
            if recipe.prompt_languages != "own":
                used[f"{place}.recipe.prompt_languages"] = recipe.prompt_languages
        if variant.inference_prefix:
            used[f"{place}.inference_prefix.language"] = (variant.inference_prefix.language,)
    return _undeclared(used, tuple(study.languages), "languages")


def _unknown_models(study: Study) -> list[str]:
    used = {
        f"variants.{name}.recipe.source_model": (variant.recipe.source_model,)
        for name, variant in study.variants.items()
        if variant.recipe and variant.recipe.source_model != "self"
    }
    return _undeclared(used, tuple(study.models), "models")


def _unserved_models(study: Study) -> list[str]:
    served = study.engine.server.endpoints
    used = {"engine.server.endpoints": tuple(served)}
    # A chat model that translates is served like the others, under this name.
    chat = ("translator",) if study.translation.method == "chat" else ()
    missing = [slug for slug in (*study.models, *chat) if slug not in served]
    if study.engine.name != "server":
        missing = []
    return [
        *_undeclared(used, (*study.models, *chat), "models"),
        *(f"engine.server.endpoints: no endpoint serves {slug}" for slug in missing),
    ]


def _unknown_units(study: Study) -> list[str]:
    language = study.problems.language
    if study.translation.units == "symbols" or language == "en":
        return []
    return [
        f"translation.units: words are known in English only, and the set is in {language}"
        " (problems.language); set it to symbols"
    ]


def _unknown_variants(study: Study) -> list[str]:
    used = {
        f"statistics.comparisons[{i}]": pair for i, pair in enumerate(study.statistics.comparisons)
    }
    complaints = _undeclared(used, tuple(study.variants), "variants")
    needs_base = [n for n, v in study.variants.items() if v.recipe or v.inference_prefix]
    if needs_base and "base" not in study.variants:
        complaints.append(f"variants: {needs_base[0]} is compared with base, which is missing")
    base = study.variants.get("base")
    if base and (base.recipe or base.inference_prefix):
        complaints.append("variants.base: base is the model as it is; give it no recipe or prefix")
    return complaints


def _undeclared(
    used: Mapping[str, tuple[str, ...]], declared: tuple[str, ...], kind: str
) -> list[str]:
    return [
        f"{place}: {name!r} is not under {kind} (declared: {', '.join(declared)})"
        for place, names in used.items()
        for name in names
        if name not in declared
    ]
