"""What was put into a study: models, variants, problems, and how the organism was trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mitt_assets.reporting.style import language_name, model_title
from mitt_assets.study import Study, Variant

_FACTS = ("shape", "parameters", "tokens_seen", "budget_tokens", "steps", "seed")


@dataclass(frozen=True)
class PlainTable:
    """A captioned table of texts."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def ingredient_tables(
    study: Study, organism: Sequence[Mapping[str, Any]], counts: Mapping[str, int]
) -> list[PlainTable]:
    """Models, problems, variants; then the organism's trainings and mixture, if there are any."""
    tables = [_models(study), _variants(study)]
    if counts:
        rows = tuple((name, str(count)) for name, count in sorted(counts.items()))
        tables.insert(1, PlainTable("Problems", ("Set", "Problems"), rows))
    if organism:
        tables += [_trainings(organism), *_mixtures(study, organism)]
    return tables


def _models(study: Study) -> PlainTable:
    rows = tuple(
        (model_title(study, slug), one.source, one.revision or "", one.dtype)
        for slug, one in study.models.items()
    )
    return PlainTable("Models", ("Model", "Source", "Revision", "Arithmetic"), rows)


def _variants(study: Study) -> PlainTable:
    rows = tuple((name, one.title, *_recipe(one)) for name, one in study.variants.items())
    head = ("Variant", "What it is", "Traces from", "Prompts in", "Cut", "Whole traces")
    return PlainTable("Variants", head, rows)


def _recipe(variant: Variant) -> tuple[str, str, str, str]:
    if variant.inference_prefix:
        given = variant.inference_prefix
        return f"{given.language}, given at inference", "all", f"{given.tokens} tokens", ""
    if variant.recipe is None:
        return "", "", "", ""
    recipe = variant.recipe
    prompts = recipe.prompt_languages
    asked = "each its own" if prompts == "own" else ", ".join(prompts)
    cut = "none"
    if recipe.cut.tokens is not None:
        cut = f"first {recipe.cut.tokens} tokens"
    elif recipe.cut.share is not None:
        cut = f"first {100 * recipe.cut.share:g} %"
    source = "" if recipe.source_model == "self" else f"{recipe.source_model}: "
    traces = source + ", ".join(recipe.source_languages)
    return traces, asked, cut, f"{100 * recipe.whole_share:g} %"


def _trainings(records: Sequence[Mapping[str, Any]]) -> PlainTable:
    facts = [fact for fact in _FACTS if any(fact in record for record in records)]
    rows = tuple(
        (str(record.get("slug", "")), *(_grouped(record.get(fact, "")) for fact in facts))
        for record in records
    )
    head = ("Checkpoint", *(fact.replace("_", " ").capitalize() for fact in facts))
    return PlainTable("Trainings of the organism", head, rows)


def _grouped(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _mixtures(study: Study, records: Sequence[Mapping[str, Any]]) -> list[PlainTable]:
    """What was put in, once per mixture: by language, and the rest."""
    tables: list[PlainTable] = []
    seen: list[Any] = []
    for record in records:
        mixture = record.get("put_in")
        if not isinstance(mixture, Mapping) or mixture in seen:
            continue
        seen.append(mixture)
        name = "" if len(seen) == 1 else f" ({record.get('slug', '')})"
        tables += _mixture(study, mixture, name)
    return tables


def _mixture(study: Study, mixture: Mapping[str, Any], name: str) -> list[PlainTable]:
    columns: dict[str, Mapping[str, Any]] = {}
    rest: list[tuple[str, str]] = []
    for key, value in mixture.items():
        if isinstance(value, Mapping) and set(study.languages) & set(value):
            columns.update(_by_language(key, value))
        else:
            rest.append((key.replace("_", " "), _inline(value)))
    rows = tuple(
        (language_name(study, code), *(_share(column.get(code)) for column in columns.values()))
        for code in study.languages
    )
    tables = []
    if columns:
        head = ("Language", *columns)
        tables.append(PlainTable(f"Put in, by language{name}", head, rows))
    if rest:
        tables.append(PlainTable(f"Put in, for all languages{name}", ("What", "Value"), (*rest,)))
    return tables


def _by_language(key: str, value: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """One column for numbers by language; one per inner key for mappings by language."""
    title = key.replace("_", " ").capitalize()
    inner = next(iter(value.values()))
    if not isinstance(inner, Mapping):
        return {title: value}
    return {
        f"{title}: {part}": {code: shares.get(part) for code, shares in value.items()}
        for part in inner
    }


def _share(value: Any) -> str:
    return f"{100 * value:g} %" if isinstance(value, float) else "" if value is None else str(value)


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_inline(inner)}" for key, inner in value.items())
    return f"{value:.4g}" if isinstance(value, float) else _grouped(value)
