"""A partition's progress in words, for the log of its run: how much, how fast, how long yet."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mitt_assets.work import Beat

EVERY = 10
"""Seconds between two lines, unless the run asks for another number."""


@dataclass
class RunLog:
    """Writes a line of progress every ``every`` seconds, and one when a piece of work is done.

    What is waited for is written when it begins, and again after that time.
    """

    write: Callable[[str], None]
    every: float = EVERY
    clock: Callable[[], float] = time.monotonic
    _doing: str = ""
    _first: Beat | None = None
    _began: float = 0.0
    _written: float = field(default=0.0)
    _awaited: str = ""
    _said: float = 0.0

    def hear(self, beat: Beat) -> None:
        """Take a sign of progress."""
        now = self.clock()
        if beat.total == 0:
            self._hear_wait(beat, now)
        elif beat.doing != self._doing or self._first is None:
            # What was there before, such as shards of an earlier run, says nothing about speed.
            self._doing, self._first, self._began, self._written = beat.doing, beat, now, now
            self.write(f"{beat.doing}: {beat.done:,} of {beat.total:,} so far")
        elif now - self._written >= self.every or beat.done == beat.total:
            self._written = now
            self.write(line(self._first, beat, now - self._began))

    def _hear_wait(self, beat: Beat, now: float) -> None:
        """Many may wait for the same thing at once, each saying so."""
        if beat.doing != self._awaited or now - self._said >= self.every:
            self._awaited, self._said = beat.doing, now
            self.write(f"{beat.doing}; {beat.note}" if beat.note else beat.doing)


def line(first: Beat, beat: Beat, seconds: float) -> str:
    """Where the work stands, ``seconds`` after its first sign of progress."""
    said = f"{beat.doing}: {beat.done:,} of {beat.total:,}"
    said += f"; {beat.note}" if beat.note else ""
    if seconds <= 0:
        return said
    tokens, done = beat.tokens - first.tokens, beat.done - first.done
    speed = f", {tokens / seconds:,.0f} tokens/s" if tokens > 0 else ""
    left = (beat.total - beat.done) * seconds / done if done > 0 else 0.0
    return said + speed + (f", about {duration(left)} left" if left >= 1 else "")


def duration(seconds: float) -> str:
    """Seconds as a person says them: 45 s, 3 min, 2 h 10 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
