"""LoRA tuning of a reasoner: batches, their loss, the steps, and what they need of a device."""

from resources.tuning.batches import TrainingRow
from resources.tuning.memory import MemoryPlan, plan_memory
from resources.tuning.training import CONFIG, WEIGHTS, TuningResult, tune

__all__ = [
    "CONFIG",
    "WEIGHTS",
    "MemoryPlan",
    "TrainingRow",
    "TuningResult",
    "plan_memory",
    "tune",
]
