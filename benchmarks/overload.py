"""Ten times the traffic for a minute: what is shed, where it is counted, when all is well again.

    python -m benchmarks.overload [--rate N] [--times X] [--seconds S]

A live run (`benchmarks.live`) in three phases: the usual rate, `times` as much for a minute, the
usual rate again. Shed is what was sent and not scored; each such flow has to be in a counter of the
agent. Recovered is when the last alert that took longer than 200 ms was in the file, or the agent
last counted a loss, whichever is later, from the end of the overload. Order is kept if the flows
that opened alerts stand in the file as they were sent. What bounds memory is ZeroMQ's high-water
mark: 1,000 messages of 512 flows of some 310 bytes, beside what the agent has at rest.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.harness import Options, run
from benchmarks.latency import told
from benchmarks.live import Live, live
from benchmarks.live import options as live_options
from benchmarks.result import Info, Report, Row
from benchmarks.schedule import Schedule

RECOVERY, MEMORY = 5.0, 512.0
"""Targets: seconds, and MiB as for the live feed."""

SLOW = 0.2
"""An alert that took longer, s, is a sign that all is not well."""

BEFORE, AFTER = 10.0, 20.0
"""Seconds at the usual rate."""


def options(parser: argparse.ArgumentParser) -> None:
    """What it can be told."""
    live_options(parser, 60.0, 2e-3)
    parser.add_argument("--times", type=float, default=10.0, help="rate of the overload")
    parser.add_argument("--after", type=float, default=AFTER, help="seconds after it")


def measure(given: Options) -> Report:
    """Measure."""
    phases = (
        (given.rate, BEFORE),
        (given.rate * given.times, given.seconds),
        (given.rate, given.after),
    )
    found = live(Schedule(phases), given)
    end = found.schedule.seconds - given.after
    memory = float(found.process[:, 1].max())
    before = found.process[found.process[:, 0] < end - given.seconds]
    extra: Info = {
        "memory before, MiB": float(before[:, 1].max()) if len(before) else 0.0,
        "share of the overload that was shed": shed(found, end - given.seconds, end),
    }
    return Report(
        (
            Row("10× overload, seconds to recover", recovery(found, end), "s", RECOVERY, "at most"),
            Row("10× overload, flows shed uncounted", abs(found.uncounted), "flows", 0, "at most"),
            Row("10× overload, memory", memory, "MiB", MEMORY, "at most"),
            Row("10× overload, alerts out of order", disorder(found), "alerts", 0, "at most"),
        ),
        extra | told(found),
    )


def recovery(found: Live, end: float) -> float:
    """Seconds from the end of the overload until nothing was slow or lost any more."""
    due, delays = found.delays()
    at, lost = found.status[:, 0], found.status[:, 2]
    signs = np.concatenate([(due + delays)[delays > SLOW], at[1:][np.diff(lost) > 0]])
    return max(0.0, float(signs.max(initial=end) - end))


def disorder(found: Live) -> int:
    """Alerts that stand behind one of a later flow."""
    latest = np.maximum.accumulate(found.order)
    return int((found.order < latest).sum())


def shed(found: Live, begin: float, end: float) -> float:
    """Share of what was sent between two times that was not scored, of all that was not."""
    sent = float(found.schedule.told(end) - found.schedule.told(begin))
    return found.missing / sent


if __name__ == "__main__":
    run("overload", __doc__, options, measure)
