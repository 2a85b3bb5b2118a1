"""Automation: exactly the partitions that new or changed inputs affect, and only on proven data.

Dagster's ``eager()`` asks for everything behind an input that was made again, though it holds the
same bytes, and does not look at checks. Both are said here. It does nothing until somebody turns
the sensor on, and then nothing until something changes.
"""

from __future__ import annotations

from typing import Any

import dagster as dg
from dagster import AutomationCondition as Condition

from mitt_assets.graph import QUESTIONS, Step

SENSOR = "automation"


def condition_of(step: Step) -> Condition[Any]:
    """When a step's partition is to be made."""
    return _reports() if step.takes_what_there_is else _chain()


def automation_sensor() -> dg.AutomationConditionSensorDefinition:
    """The switch of it all, off at first."""
    return dg.AutomationConditionSensorDefinition(
        SENSOR,
        target=dg.AssetSelection.all(),
        default_status=dg.DefaultSensorStatus.STOPPED,
        run_tags={"mitt/by": SENSOR},
        description="Once turned on, makes what changed inputs affect and what is added.",
    )


def _wanted() -> Condition[Any]:
    """A partition was added, or an input holds something else; until it is asked for or made."""
    changed = Condition.any_deps_match(Condition.data_version_changed())
    wanted = (Condition.newly_missing() | changed).since_last_handled()
    return wanted.with_label("added, or an input's content changed")


def _chain() -> Condition[Any]:
    """Every input is there, proven, and not being made."""
    # all_deps_blocking_checks_passed() is content with one proven partition of each input.
    unproven = Condition.any_deps_match(
        ~Condition.all_checks_match(Condition.check_passed(), blocking_only=True)
    ).with_label("an input's blocking checks have not passed")
    return (
        _wanted()
        & ~Condition.any_deps_missing()
        & ~unproven
        & ~Condition.any_deps_match(_wanted()).with_label("an input is itself to be made")
        & ~Condition.any_deps_in_progress()
        & ~Condition.in_progress()
    ).with_label("changed inputs, all proven")


def _reports() -> Condition[Any]:
    """Something is there; what is refused or missing is not waited for, what is being made is."""
    there = Condition.any_deps_match(~Condition.missing())
    return (
        _wanted()
        & there.ignore(dg.AssetSelection.assets(*QUESTIONS)).with_label(
            "there is something to report"
        )
        & ~Condition.any_deps_in_progress()
        & ~Condition.in_progress()
    ).with_label("changed inputs, those that there are")
