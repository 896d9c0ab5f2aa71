"""What a running agent uses of a core while no flow comes.

    python -m benchmarks.idle [--seconds S] [--silent]

A real `metatap run` with a state folder, all files followed, and a Zeek node that sends its
heartbeat each second and no flow; with `--silent` not even that. The first ten seconds are not
looked at.
"""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import proc
from benchmarks.agents import Setup, agent
from benchmarks.feed import feed
from benchmarks.harness import Options, run
from benchmarks.result import Report, Row
from benchmarks.timing import Spread

TARGET = 1.0
"""Percent of a core."""

SETTLE = 10.0
PARTS = 6
"""Parts of the time of which the spread is."""


def options(parser: argparse.ArgumentParser) -> None:
    """What it can be told."""
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--settle", type=float, default=SETTLE, help="seconds before that")
    parser.add_argument("--silent", action="store_true", help="without heartbeats")


def measure(given: Options) -> Report:
    """Measure."""
    with TemporaryDirectory(prefix="mt-") as name, ExitStack() as stack:
        running = stack.enter_context(agent(Path(name), 0, Setup(status=60.0)))
        if not given.silent:
            sender = stack.enter_context(feed(running.address, 1, ring=512))
            sender.ready()
            sender.tell("beat", seconds=given.seconds + given.settle)
        time.sleep(given.settle)
        shares = [_share(running.pid, given.seconds / PARTS) for _ in range(PARTS)]
        memory = proc.rss(running.pid)
    spread = Spread.of(shares)
    mean = sum(shares) / PARTS
    row = Row("idle agent", mean, "% of a core", TARGET, "below", spread.quartiles)
    return Report((row,), {"resident memory, MiB": memory, "seconds": given.seconds})


def _share(pid: int, seconds: float) -> float:
    begin, cpu = time.monotonic(), proc.cpu(pid)
    time.sleep(seconds)
    return 100 * (proc.cpu(pid) - cpu) / (time.monotonic() - begin)


if __name__ == "__main__":
    run("idle", __doc__, options, measure)
