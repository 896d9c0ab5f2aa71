"""A live feed for long: flows lost, memory and its slope; or the highest rate that is held.

    python -m benchmarks.soak [--rate N] [--seconds S] [--find]

A live run (`benchmarks.live`) of ten minutes. Lost is what was sent and not scored, whoever counted
it. The slope of memory is a least-squares line through what was resident each second, after the
first fifth of the run. With `--find` short runs are made instead, their rate halved and doubled
until the highest rate is known that loses nothing and leaves the agent less than half a second
behind.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from benchmarks import proc
from benchmarks.harness import Options, run
from benchmarks.latency import told
from benchmarks.live import RATE, Live, live
from benchmarks.live import options as live_options
from benchmarks.result import Report, Row
from benchmarks.schedule import Schedule

MEMORY, SLOPE = 512.0, 1.0
"""Targets: MiB, and MiB a minute."""

BEHIND = 0.5
"""Seconds that an agent which holds a rate may be behind."""

FIND_SECONDS = 15.0
"""Length of a run of `--find`."""

CLOSE = 1.05
"""`--find` ends when what is held and what is not are this near."""


def options(parser: argparse.ArgumentParser) -> None:
    """What it can be told."""
    live_options(parser, 600.0)
    parser.add_argument("--find", action="store_true", help="the highest rate without loss")


def measure(given: Options) -> Report:
    """Measure."""
    if given.find:
        return _find(given)
    found = live(Schedule(((given.rate, given.seconds),)), given)
    during = found.while_sent()
    settled = during[during[:, 0] >= found.begin + given.seconds / 5]
    memory = proc.slope(settled[:, 0], settled[:, 1]) if len(settled) > 1 else float("inf")
    return Report(
        (
            Row("live feed, flows lost", found.missing, "flows", 0, "at most"),
            Row("live feed, resident memory", float(during[:, 1].max()), "MiB", MEMORY, "at most"),
            Row("live feed, slope of memory", memory, "MiB/min", SLOPE, "below"),
        ),
        {"seconds": given.seconds, **told(found)},
    )


def holds(found: Live) -> bool:
    """Whether an agent keeps up: nothing lost, nothing piling up."""
    return found.missing == 0 and found.behind <= BEHIND


@dataclass(slots=True)
class Search:
    """A search for the highest rate that is held.

    Attributes:
        rate: What to try next, flows a second.
        held: The highest rate that was held, 0 for none.
        failed: The lowest that was not, None while all were.
    """

    rate: float
    held: float = 0.0
    failed: float | None = None

    def take(self, *, is_held: bool) -> None:
        """Take in what became of `rate`."""
        if is_held:
            self.held = max(self.held, self.rate)
        else:
            self.failed = self.rate if self.failed is None else min(self.failed, self.rate)
        if self.failed is None:
            self.rate = 2 * self.held
        elif self.held:
            self.rate = (self.held * self.failed) ** 0.5
        else:
            self.rate = self.failed / 2

    def done(self, least: float = 1000.0) -> bool:
        """Whether the two are near, or nothing is held."""
        if self.failed is None:
            return False
        return self.failed < least or (self.held > 0 and self.failed / self.held <= CLOSE)


def _find(given: Options) -> Report:
    search = Search(given.rate)
    tried = 0
    while not search.done():
        found = live(Schedule(((search.rate, FIND_SECONDS),)), given)
        search.take(is_held=holds(found))
        tried += 1
    row = Row("highest rate held without loss", search.held, "flows/s", RATE)
    return Report((row,), {"runs": tried, "lowest rate not held, flows/s": search.failed or 0.0})


if __name__ == "__main__":
    run("soak", __doc__, options, measure)
