"""Taking turns, medians and quartiles.

What is compared runs in turns in one process, so that whatever else the machine does meets all of
it; ratios are of the two times of one turn. The spread of a figure is its first and third quartile
over the turns.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Spread:
    """What repeats of one measurement gave.

    Attributes:
        median: Their median.
        low: First quartile.
        high: Third quartile.
    """

    median: float
    low: float
    high: float

    @property
    def quartiles(self) -> tuple[float, float]:
        """First and third quartile."""
        return self.low, self.high

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of one value or more.

        Raises:
            ValueError: there is none, or one is not finite.
        """
        if not len(values) or not np.isfinite(values).all():
            raise ValueError(f"no finite values to take a median of: {list(values)[:5]}")
        low, median, high = np.percentile(values, [25, 50, 75])
        return cls(float(median), float(low), float(high))

    @classmethod
    def ratio(cls, above: Sequence[float], below: Sequence[float]) -> Spread:
        """Of `above` / `below`, turn by turn.

        Raises:
            ValueError: of another number, or a value of `below` is not above 0.
        """
        if any(value <= 0 for value in below):
            raise ValueError("a time that is not above 0 can't be divided by")
        return cls.of([x / y for x, y in zip(above, below, strict=True)])


def in_turns(
    jobs: Mapping[str, Callable[[], float]],
    turns: int,
    *,
    warm: int = 1,
    seconds: float = 0.0,
) -> dict[str, list[float]]:
    """Run each job once a turn; the order alternates, so that none always comes first.

    Args:
        jobs: Name → a call that gives its own time, in any unit.
        turns: Turns at least.
        warm: Turns before these, not taken down.
        seconds: Go on for so long at least.
    """
    for _ in range(warm):
        for job in jobs.values():
            job()
    times: dict[str, list[float]] = {name: [] for name in jobs}
    end, done = time.perf_counter() + seconds, 0
    while done < turns or time.perf_counter() < end:
        for name in sorted(jobs, reverse=bool(done % 2)):
            times[name].append(jobs[name]())
        done += 1
    return times


def timed(call: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds of one call."""
    begin = clock()
    call()
    return clock() - begin
