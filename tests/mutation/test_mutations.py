"""Every known way to be wrong is found where it is, and a sound study raises nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from checks.judge import judge
from mitt_assets.errors import MittError
from mitt_assets.home import Home, open_maker
from resources.services import StudyServices
from tests.corruptions import early, late
from tests.corruptions.catalogue import Corruption, Ground

CATALOGUE: list[Corruption] = [*early.CORRUPTIONS, *late.CORRUPTIONS]


@pytest.fixture(scope="module")
def ground(finished: tuple[Path, Path]) -> Iterator[Ground]:
    """The finished miniature study; corrupted records are written beside it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MITT_HOME", str(finished[0]))
        maker = open_maker(str(finished[1]))
        services = StudyServices(maker.graph.study, Home(maker.graph.study).cache)
        yield Ground(maker.graph, maker.store, services)
        services.close()


def test_a_sound_study_raises_nothing(ground: Ground) -> None:
    raised = [
        (record.asset, record.partition, one.says)
        for record in ground.store.records()
        for one in judge(ground.subject(record)).outcomes
        if not one.passed
    ]
    assert raised == []


def test_the_catalogue_covers_every_table_and_names_are_unique() -> None:
    assert len(CATALOGUE) >= 60
    assert len({(one.asset, one.name) for one in CATALOGUE}) == len(CATALOGUE)
    tables = {one.asset.rpartition("/")[2] for one in CATALOGUE}
    assert tables >= {
        *("problems", "translations", "traces", "probes", "windows"),
        *("segment_embeddings", "consistency", "training_set", "adapter", "base_model"),
        *("scaling", "study"),
    }


@pytest.mark.parametrize("one", CATALOGUE, ids=lambda one: f"{one.asset}: {one.name}")
def test_a_corruption_is_caught_where_it_is(one: Corruption, ground: Ground) -> None:
    assert _missed(one, ground) == ""


def _missed(one: Corruption, ground: Ground) -> str:
    """Why a corruption counts as missed; empty if the right expectation names the right rows."""
    try:
        verdict = judge(one.apply(ground))
    except MittError as error:
        return f"not judged: {error}"
    failed = [*verdict.blocking, *(verdict.warnings if one.warning else [])]
    right = [outcome for outcome in failed if one.says in outcome.says]
    if not right:
        return f"said: {[outcome.says for outcome in failed]}"
    named = " ".join(str(dict(row)) for outcome in right for row in outcome.rows)
    wanted = one.rows(ground.frame(one.asset, one.partition)) if one.rows and one.table else []
    absent = [row for row in wanted if row not in named]
    return f"rows not named: {absent}" if absent else ""
