"""The whole graph of a study: the shared steps, one chain per variant, the reports."""

from __future__ import annotations

from collections.abc import Callable

from mitt_assets.assets import (
    embeddings,
    models,
    probes,
    problems,
    reports,
    traces,
    training,
    translations,
    windows,
)
from mitt_assets.assets.engines import engine_code, engine_settings
from mitt_assets.graph import OWN, Graph, Input, Step
from mitt_assets.partitions import LANGUAGE, LANGUAGE_MODEL, MODEL, NONE
from mitt_assets.study import Recipe, Study
from mitt_assets.work import Product, Work
from resources.services import needs_weights, translator_needs_weights

SPLITS = tuple(
    f"problems.{key}"
    for key in (
        "source",
        "revision",
        "language",
        "columns",
        "answer",
        "duplicates",
        "evaluation",
        "development",
        "training",
    )
)
MODEL_KEYS = ("models.{model}.source", "models.{model}.revision", "models.{model}.dtype")
SAMPLING = tuple(
    f"generation.{key}" for key in ("temperature", "top_p", "budget", "answer_tokens", "seed")
)
MACHINE = (
    "mitt_assets.method.protection",
    "mitt_assets.method.translating",
    "resources.translators",
    "resources.engines",
    "resources.models",
)


def build_graph(study: Study) -> Graph:
    """Every step of a study, in dependency order."""
    steps = _shared(study)
    for name in _base_first(study):
        steps += _training(study, name) + _chain(study, name)
    return Graph(study, steps + reports.steps(study))


def _base_first(study: Study) -> list[str]:
    """Variants, the base before those that read its traces."""
    return sorted(study.variants, key=lambda name: name != "base")


def _shared(study: Study) -> list[Step]:
    machine = MACHINE if study.translation.method != "parallel" else ()
    chat = engine_settings(study, "translator") if study.translation.method == "chat" else ()
    translator = (Input("translator", "translator"),) if machine else ()
    return [
        *_translator(study),
        Step(
            "problems",
            NONE,
            problems.make,
            "The problem sets: evaluation, development and training, disjoint.",
            "problems",
            ("mitt_assets.assets.problems", "resources.problem_sources"),
            settings=(*SPLITS, "translation.method"),
            table="problems",
            outside=problems.files_read,
        ),
        Step(
            "translations",
            LANGUAGE,
            translations.make,
            "Every problem in one language.",
            "problems",
            (
                "mitt_assets.assets.translations",
                "resources.problem_sources",
                "resources.translators.person",
                *machine,
            ),
            (Input("problems", "problems"), *translator),
            settings=(*SPLITS, *(f"translation.{key}" for key in study.translation.read), *chat),
            table="translations",
            outside=translations.files_of,
            gpu=bool(machine),
        ),
        Step(
            "base_model",
            MODEL,
            models.make_base_model,
            "A model's files by sha256: a manifest, never a copy of the weights.",
            "models",
            ("mitt_assets.assets.models", "resources.models"),
            settings=(*MODEL_KEYS, *_served(needs_weights(study))),
        ),
        Step(
            "sentence_encoder",
            NONE,
            models.make_sentence_encoder,
            "The sentence encoder's files by sha256.",
            "models",
            ("mitt_assets.assets.models", "resources.encoders"),
            settings=("encoder",),
        ),
    ]


def _translator(study: Study) -> list[Step]:
    """The model that translates, where a machine does."""
    if study.translation.method == "parallel":
        return []
    return [
        Step(
            "translator",
            NONE,
            models.make_translator,
            "The translating model's files by sha256.",
            "models",
            ("mitt_assets.assets.models", "resources.models"),
            settings=(
                *(f"translation.{key}" for key in ("source", "revision", "dtype")),
                *_served(translator_needs_weights(study)),
            ),
        )
    ]


def _served(weights: bool) -> tuple[str, ...]:
    """The study key behind a manifest that lists no weights; none where they are read here."""
    return () if weights else ("engine.name",)


def _chain(study: Study, variant: str) -> list[Step]:
    """traces, probes, windows, segment_embeddings and consistency under one variant's prefix."""
    traces_input = Input(f"{variant}/traces", "traces")
    return [
        *_generated(study, variant, traces_input),
        *_measured(study, variant, traces_input),
    ]


def _generated(study: Study, variant: str, traces_input: Input) -> list[Step]:
    """What a model writes: thoughts, and the answers read from them."""
    own = study.variants[variant]
    model = [Input("base_model", "base_model"), Input("translations", "translations")]
    if own.recipe:
        model.append(Input(f"{variant}/adapter", "adapter"))
    opening = []
    if own.inference_prefix:
        language = own.inference_prefix.language
        opening = [Input("base/traces", "openings", languages=(language,))]
    return [
        _link(
            variant,
            "traces",
            traces.make_traces,
            "Reasoning traces, thinking prolonged with the language's wait word.",
            ("mitt_assets.assets.traces", "mitt_assets.method.forcing", *engine_code(study)),
            (*model, *opening),
            settings=(
                "languages.{language}.instruction",
                "languages.{language}.wait",
                f"variants.{variant}.inference_prefix",
                "generation",
                *engine_settings(study),
            ),
            gpu=True,
        ),
        _link(
            variant,
            "probes",
            probes.make_probes,
            "The answer read every few tokens, at each end of thinking and at the end.",
            ("mitt_assets.assets.probes", "mitt_assets.method.probing", *engine_code(study)),
            (*model, traces_input),
            settings=(
                "languages.{language}.instruction",
                "probes",
                "problems.answer",
                "engine.probe_method",
                *engine_settings(study),
            ),
            gpu=True,
        ),
    ]


def _measured(study: Study, variant: str, traces_input: Input) -> list[Step]:
    """What is measured of thoughts."""
    reference = study.statistics.reference
    embedded = f"{variant}/segment_embeddings"
    return [
        _link(
            variant,
            "windows",
            windows.make_windows,
            "Windows of a thought and the language each is in.",
            (
                "mitt_assets.assets.windows",
                "mitt_assets.method.windows",
                "resources.language_id",
            ),
            (traces_input,),
            settings=("windows",),
        ),
        _link(
            variant,
            "segment_embeddings",
            embeddings.make_segment_embeddings,
            "The parts of a thought as unit vectors.",
            (
                "mitt_assets.assets.embeddings",
                "mitt_assets.method.windows",
                "resources.encoders",
            ),
            (traces_input, Input("sentence_encoder", "sentence_encoder")),
            settings=("windows.tokens", "windows.segments"),
        ),
        _link(
            variant,
            "consistency",
            embeddings.make_consistency,
            "Agreement of samples with each other and with the reference language.",
            ("mitt_assets.assets.embeddings", "mitt_assets.method.consistency"),
            (Input(embedded, "segment_embeddings", languages=(OWN, reference)),),
            settings=("windows.rolling", "statistics.reference"),
        ),
    ]


def _link(
    variant: str,
    name: str,
    make: Callable[[Work], Product],
    text: str,
    code: tuple[str, ...],
    inputs: tuple[Input, ...],
    settings: tuple[str, ...],
    gpu: bool = False,
) -> Step:
    """A step of a variant's chain: a table of its name, for each language and model."""
    return Step(
        f"{variant}/{name}",
        LANGUAGE_MODEL,
        make,
        text,
        variant,
        code,
        inputs,
        settings,
        table=name,
        variant=variant,
        gpu=gpu,
    )


def _training(study: Study, variant: str) -> list[Step]:
    """training_traces, training_set and adapter of a variant with a recipe."""
    recipe = study.variants[variant].recipe
    if recipe is None:
        return []
    return [
        _training_traces(study, variant, recipe),
        _training_set(variant, recipe),
        _adapter(variant),
    ]


def _training_traces(study: Study, variant: str, recipe: Recipe) -> Step:
    made_in = tuple(dict.fromkeys((*recipe.source_languages, *recipe.whole_languages)))
    teacher = (OWN,) if recipe.source_model == "self" else (recipe.source_model,)
    return Step(
        f"{variant}/training_traces",
        MODEL,
        training.make_training_traces,
        "Self-sampled traces of training problems in the recipe's source languages.",
        variant,
        (
            "mitt_assets.assets.training",
            "mitt_assets.assets.traces",
            "mitt_assets.method.forcing",
            "mitt_assets.method.recipes",
            *engine_code(study),
        ),
        (
            Input("base_model", "base_model", models=teacher),
            Input("translations", "translations", languages=made_in),
        ),
        settings=(
            *_of_recipe(variant, *_CHOOSING),
            *(f"languages.{language}.instruction" for language in made_in),
            *SAMPLING,
            *engine_settings(study, _sampled(recipe)),
        ),
        table="traces",
        variant=variant,
        gpu=True,
    )


def _training_set(variant: str, recipe: Recipe) -> Step:
    return Step(
        f"{variant}/training_set",
        MODEL,
        training.make_training_set,
        "Prefixes and whole traces, paired with prompts; questions masked from the loss.",
        variant,
        ("mitt_assets.assets.training", "mitt_assets.method.recipes"),
        (
            Input("base_model", "base_model"),
            Input("problems", "problems"),
            Input("translations", "translations", languages=_prompted(recipe)),
            Input(f"{variant}/training_traces", "training_traces"),
        ),
        settings=(
            *_of_recipe(variant, *_CHOOSING, "prompt_languages", "cut"),
            *(f"languages.{language}.instruction" for language in _prompted(recipe)),
        ),
        table="training_set",
        variant=variant,
    )


def _adapter(variant: str) -> Step:
    return Step(
        f"{variant}/adapter",
        MODEL,
        training.make_adapter,
        "The LoRA adapter tuned on the training set.",
        variant,
        (
            "mitt_assets.assets.training",
            "mitt_assets.method.model_card",
            "resources.compute",
            "resources.tuning",
            "resources.memory",
        ),
        (
            Input("base_model", "base_model"),
            Input(f"{variant}/training_set", "training_set"),
        ),
        settings=_of_recipe(variant, "adapter"),
        variant=variant,
        gpu=True,
    )


_CHOOSING = ("source_languages", "whole_languages", "whole_share", "problems", "source_model")
"""Of a recipe: which traces of which model it is tuned on."""


def _of_recipe(variant: str, *keys: str) -> tuple[str, ...]:
    return tuple(f"variants.{variant}.recipe.{key}" for key in keys)


def _sampled(recipe: Recipe) -> str:
    """The model that training traces are sampled from, as a study key names it."""
    return "{model}" if recipe.source_model == "self" else recipe.source_model


def _prompted(recipe: Recipe) -> tuple[str, ...]:
    """Languages whose prompts a training set holds."""
    own = recipe.prompt_languages == "own"
    prompts = recipe.source_languages if own else recipe.prompt_languages
    return tuple(dict.fromkeys((*prompts, *recipe.whole_languages)))
