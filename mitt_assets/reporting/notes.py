"""What a reader must know beside the numbers; each note appears only in studies it is true of."""

from __future__ import annotations

from mitt_assets.reporting.style import language_name
from mitt_assets.reporting.wording import listed
from mitt_assets.study import Study

TAGALOG = ("tl", "fil")


def method_notes(study: Study) -> list[str]:
    """How numbers are made, where a reader could assume otherwise."""
    percent = f"{100 * study.statistics.confidence:g}"
    return [
        f"Intervals are {percent} % and come from resampling problems, not traces "
        f"({study.statistics.resamples} resamples); comparisons are paired by problem.",
        "Accuracy at a budget uses all traces. A trace that ended earlier counts with its terminal "
        "answer: its own boxed answer, else a forced answer at its end.",
        "The curve without a forced Wait and the curve with it come from one generation: the "
        "natural trace is the beginning of the forced one. They are shown apart.",
        "Gain means the relative gain from longer thinking, per language. What an adapter changes "
        "is a variant effect.",
        "All variants of a model share the seeds of sampling, so that paired differences hold the "
        "variant and not the draw.",
        "Many intervals are shown and none is corrected for their number: about one in twenty "
        "excludes zero where nothing is there.",
    ]


def caveats(study: Study) -> list[str]:
    """Assumptions that are no single setting, and confounds."""
    found = [
        "This is MITT-style, with the assumptions listed here. The paper's training data, learning "
        "rate, number of generations and result tables could not be read, so no number here "
        "reproduces one of its tables.",
        f"The initial thought is the first window of {study.windows.tokens} tokens, and agreement "
        "is the mean pairwise cosine between samples: no source states either.",
        "langid is wrong in one direction, towards English, on windows with few words. Shares of "
        "English are therefore given with and without undetermined windows.",
        *_native_eye(study),
        *_encoder(study),
        *_anchor(study),
    ]
    return found


def _native_eye(study: Study) -> list[str]:
    foreign = [
        language_name(study, code) for code in study.languages if code != study.problems.language
    ]
    if not foreign:
        return []
    return [
        f"Wait words, instructions and questions in {listed(foreign)} want a native reader's eye: "
        "whether a text reads naturally was not checked by native readers of all these languages."
    ]


def _encoder(study: Study) -> list[str]:
    if study.encoder.source == "organism":
        return [
            "The sentence encoder was trained on parallel sentences of the same world as the "
            "problems: similarities are high by construction, only differences between them count."
        ]
    here = [language_name(study, code) for code in TAGALOG if code in study.languages]
    return [
        f"The card of the sentence encoder does not list {name}. Low similarity of {name} thoughts "
        "may be the encoder's ignorance and not the model's: the two cannot be told apart here."
        for name in here
    ]


def _anchor(study: Study) -> list[str]:
    anchored = [
        name for name, one in study.variants.items() if one.recipe and one.recipe.whole_share > 0
    ]
    if not anchored:
        return []
    return [
        f"Variants with an anchor of whole traces ({', '.join(anchored)}) are tuned on the model's "
        f"own samples at temperature {study.generation.temperature:g}, which can hold fewer "
        "slips than its training data. That alone can raise accuracy: compare them with each "
        "other, not only with the base."
    ]
