"""Two agents, each with its sender on a core of its own, against one.

    python -m benchmarks.shards [--seconds S] [--turns N]

A pair is a real `metatap run` and a sender that sends as fast as it is taken, both on one core;
each pair has a shard and traffic of its own. One pair on the first core and two pairs on both cores
take turns; what is compared are flows a second by the agents' own counters, all pairs together,
after the first seconds. One core's share of work is the same in both, so two would be twice as much
if nothing were shared.
"""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.agents import AgentProcess, Setup, agent
from benchmarks.feed import Feed, feed
from benchmarks.harness import Options, run
from benchmarks.machine import cores
from benchmarks.result import Report, Row
from benchmarks.timing import Spread

TARGET = 1.8

HWM = 50
"""Messages held at each end: little, so that the counters tell what goes through."""


def options(parser: argparse.ArgumentParser) -> None:
    """What it can be told."""
    parser.add_argument("--seconds", type=float, default=15.0, help="length of a run")
    parser.add_argument("--warm", type=float, default=4.0, help="seconds before that")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--ring", type=int, default=65_536, help="flows drawn before they recur")


def measure(given: Options) -> Report:
    """Measure."""
    if len(cores()) < 2:
        return Report(skipped="needs two cores")
    one: list[float] = []
    two: list[float] = []
    for _ in range(given.turns):
        one.append(_rate(1, given))
        two.append(_rate(2, given))
    return Report(
        (Row.of("two shards on two cores / one on one", Spread.ratio(two, one), target=TARGET),),
        {"one, flows/s": Spread.of(one).median, "two, flows/s": Spread.of(two).median},
    )


def _rate(pairs: int, given: Options) -> float:
    """Flows a second of so many pairs together."""
    with TemporaryDirectory(prefix="mt-") as name, ExitStack() as stack:
        running = [_pair(stack, Path(name) / str(at), at, given) for at in range(pairs)]
        for _, sender in running:
            sender.tell("flood", seconds=given.warm + given.seconds)
        time.sleep(given.warm)
        before = [_scored(agent_) for agent_, _ in running]
        time.sleep(given.seconds - 1)
        after = [_scored(agent_) for agent_, _ in running]
    return sum(
        (last[1] - first[1]) / (last[0] - first[0])
        for first, last in zip(before, after, strict=True)
    )


def _pair(stack: ExitStack, folder: Path, at: int, given: Options) -> tuple[AgentProcess, Feed]:
    running = stack.enter_context(agent(folder, at, Setup(rcvhwm=HWM, status=0.5)))
    kept = {"keep": True, "hwm": HWM, "ring": given.ring, "seed": at, "shard": at}
    sender = stack.enter_context(feed(running.address, at, node=f"bench-{at}", **kept))
    sender.ready()
    return running, sender


def _scored(running: AgentProcess) -> tuple[float, int]:
    """When the next status line is there, and the flows it tells of."""
    known = len(running.events("agent_status"))
    while len(found := running.events("agent_status")) == known:
        time.sleep(0.005)
    now = time.monotonic()
    return now, int(found[-1]["flows"])


if __name__ == "__main__":
    run("shards", __doc__, options, measure)
