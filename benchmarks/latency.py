"""From a flow's end to its alert in the file, at a steady rate of flows.

    python -m benchmarks.latency [--rate N] [--seconds S]

A live run (`benchmarks.live`): a real `metatap run` on one core, its sender on the other. The share
of hostile flows is a little above life's, so that the percentiles have alerts to be of.
"""

from __future__ import annotations

import argparse

from benchmarks.harness import Options, run
from benchmarks.live import Live, live
from benchmarks.live import options as live_options
from benchmarks.result import Info, Report, Row
from benchmarks.schedule import Schedule

P99, P999 = 50.0, 200.0
"""Targets, ms."""


def options(parser: argparse.ArgumentParser) -> None:
    """What it can be told."""
    live_options(parser, 300.0, 2e-3)


def told(found: Live) -> Info:
    """What else is known of a live run."""
    _, delays = found.delays()
    return {
        "flows a second": found.schedule.phases[0][0],
        "flows sent": found.sent,
        "flows not scored": found.missing,
        "alerts opened": len(delays),
        "core used by the agent": found.cpu,
        "core used by the sender": found.sender_cpu,
        "sender behind at most, ms": found.late * 1e3,
        "agent behind at the end, ms": found.behind * 1e3,
        **{f"dropped, {name}": units for name, units in found.dropped.items()},
    }


def measure(given: Options) -> Report:
    """Measure."""
    found = live(Schedule(((given.rate, given.seconds),)), given)
    p50, p99, p999, most = found.percentiles(50, 99, 99.9, 100)
    return Report(
        (
            Row("flow → alert in file, p99", p99, "ms", P99, "at most"),
            Row("flow → alert in file, p99.9", p999, "ms", P999, "at most"),
        ),
        {"p50, ms": p50, "longest, ms": most, **told(found)},
    )


if __name__ == "__main__":
    run("latency", __doc__, options, measure)
