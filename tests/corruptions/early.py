"""Corruptions of what is made before any number: problems, translations, traces and readings."""

from __future__ import annotations

from tests.corruptions.catalogue import Corruption
from tests.corruptions.early_readings import PROBES, WINDOWS
from tests.corruptions.early_texts import PROBLEMS, TRANSLATIONS
from tests.corruptions.early_traces import TRACES, TRAINING_TRACES

CORRUPTIONS: list[Corruption] = [
    *PROBLEMS,
    *TRANSLATIONS,
    *TRACES,
    *TRAINING_TRACES,
    *PROBES,
    *WINDOWS,
]
