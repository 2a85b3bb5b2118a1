"""What a person reads while a partition is made."""

from __future__ import annotations

import pytest

from mitt_assets.run_log import RunLog, duration
from mitt_assets.work import Beat


def test_progress_is_told_at_a_sensible_rate_with_speed_and_time_left() -> None:
    said: list[str] = []
    now = [100.0]
    log = RunLog(said.append, every=10, clock=lambda: now[0])
    for second in range(0, 41):
        now[0] = 100.0 + second
        log.hear(Beat("generating", 40 + second, 200, 1000 * second))
    assert said == [
        "generating: 40 of 200 so far",
        "generating: 50 of 200, 1,000 tokens/s, about 2 min left",
        "generating: 60 of 200, 1,000 tokens/s, about 2 min left",
        "generating: 70 of 200, 1,000 tokens/s, about 2 min left",
        "generating: 80 of 200, 1,000 tokens/s, about 2 min left",
    ]


def test_every_piece_of_work_is_named_and_its_end_told() -> None:
    said: list[str] = []
    now = [0.0]
    log = RunLog(said.append, every=10, clock=lambda: now[0])
    log.hear(Beat("probing", 1, 2))
    now[0] = 2.0
    log.hear(Beat("probing", 2, 2))
    log.hear(Beat("training", 1, 60))
    assert said == ["probing: 1 of 2 so far", "probing: 2 of 2", "training: 1 of 60 so far"]


def test_what_is_waited_for_is_told_once_and_then_at_the_same_rate() -> None:
    """Sixteen requests may wait for one server; what was done before is not forgotten."""
    said: list[str] = []
    now = [0.0]
    log = RunLog(said.append, every=10, clock=lambda: now[0])
    log.hear(Beat("waiting for llama to load", 0, 0))
    log.hear(Beat("generating", 0, 8, 0))
    for second in (1, 2, 3, 10, 12):
        now[0] = second
        for _ in range(16):
            log.hear(Beat("waiting for the server at http://a", 0, 0, note=f"busy, {second} s"))
    now[0] = 20
    log.hear(Beat("generating", 4, 8, 2000))
    assert said == [
        "waiting for llama to load",
        "generating: 0 of 8 so far",
        "waiting for the server at http://a; busy, 1 s",
        "waiting for the server at http://a; busy, 12 s",
        "generating: 4 of 8, 100 tokens/s, about 20 s left",
    ]


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (7_800, "2 h 10 min")]
)
def test_durations_as_a_person_says_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said
