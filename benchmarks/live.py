"""A live run: a real agent on one core, a sender on the other, watched from outside.

The sender sends each message when the last of its flows is due; it drops at ZeroMQ's high-water
mark, as Zeek does. The alerts are read from the agent's file as they appear there, each
millisecond. An alert's delay is from when the flow that opened it was due, so time in a message
that is not full, in a sender that is late and in every queue is in it. Memory, processor time and
the agent's own counters are taken each second.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.agents import Setup, agent, dropped
from benchmarks.feed import feed
from benchmarks.machine import pinned
from benchmarks.schedule import Schedule
from benchmarks.stamp import flow_number
from benchmarks.watch import Watch, watched

RATE = 183_000.0
"""Flows a second of 100 Gbit/s of campus traffic, 68 kB a flow (arXiv 1809.03486)."""

WARM = 3.0
"""Seconds of traffic before what is looked at: caches fill."""

SETTLE = 60.0
"""Seconds the agent gets at most to score what it holds when no more comes."""

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Live:
    """What a run gave. Times are seconds from its first flow.

    Attributes:
        schedule: What was sent, warming up included.
        begin: When what is looked at began.
        sent: Flows sent.
        scored: Flows the agent scored.
        dropped: "stage: reason" → units it dropped and counted.
        late: Seconds that the sender was behind its schedule at most.
        sender_cpu: Share of a core that the sender used.
        order: Numbers of the flows that opened alerts, as the file has them: int64 [a].
        seen: When each of these alerts was in the file: float64 [a].
        process: Time, MiB, seconds of the processor: float64 [s, 3].
        status: Time, flows scored, flows lost by the agent's counters: float64 [t, 3].
    """

    schedule: Schedule
    begin: float
    sent: int
    scored: int
    dropped: dict[str, int]
    late: float
    sender_cpu: float
    order: Numbers
    seen: Floats
    process: Floats
    status: Floats

    @property
    def missing(self) -> int:
        """Flows that were sent and not scored, whoever counted them."""
        return self.sent - self.scored

    @property
    def uncounted(self) -> int:
        """Flows of these that no counter of the agent names."""
        return self.missing - sum(
            units for name, units in self.dropped.items() if ".flows: " in name
        )

    def delays(self) -> tuple[Floats, Floats]:
        """When flows that opened alerts were due, and the time to the file, s: float64 [a]."""
        due = self.schedule.due(self.order)
        kept = due >= self.begin
        return due[kept], (self.seen - due)[kept]

    @property
    def behind(self) -> float:
        """Seconds of traffic that had come and was not scored, by the last status while it came."""
        within = self.status[self.status[:, 0] <= self.schedule.seconds]
        if not len(within):
            return float("inf")
        at, scored, lost = within[-1]
        return max(0.0, float(at - self.schedule.due(scored + lost)))

    @property
    def cpu(self) -> float:
        """Share of a core that the agent used while flows came."""
        during = self.while_sent()
        spent = during[-1] - during[0]
        return float(spent[2] / spent[0])

    def while_sent(self) -> Floats:
        """The rows of `process` from `begin` to the last flow.

        Raises:
            ValueError: the run was too short for two of them.
        """
        at = self.process[:, 0]
        within = self.process[(at >= self.begin) & (at <= self.schedule.seconds)]
        if len(within) < 2:
            raise ValueError(f"{self.schedule.seconds:g} s are too short to tell anything")
        return within

    def percentiles(self, *shares: float) -> list[float]:
        """Percentiles of the delays, ms.

        Raises:
            ValueError: no alert was opened.
        """
        _, delays = self.delays()
        if not len(delays):
            raise ValueError("no alert was opened; there is nothing to tell of")
        return [float(value) * 1e3 for value in np.percentile(delays, shares)]


def options(parser: argparse.ArgumentParser, seconds: float, hostile: float = 1e-4) -> None:
    """What a live run can be told.

    Args:
        parser: Added to.
        seconds: Default length.
        hostile: Default share of hostile flows.
    """
    parser.add_argument("--rate", type=float, default=RATE, help="flows a second")
    parser.add_argument("--seconds", type=float, default=seconds, help="length of the run")
    parser.add_argument("--hostile", type=float, default=hostile, help="share of hostile flows")
    parser.add_argument("--ring", type=int, default=131_072, help="flows drawn before they recur")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--warm", type=float, default=WARM, help="seconds before what is looked at")


def live(
    schedule: Schedule,
    given: argparse.Namespace,
    setup: Setup | None = None,
) -> Live:
    """Run it.

    Args:
        schedule: The traffic.
        given: See `options`; its `warm` seconds of the first rate are put before it.
        setup: Of the agent.
    """
    warm = given.warm
    whole = Schedule(((schedule.phases[0][0], warm), *schedule.phases))
    drawn = {"ring": given.ring, "hostile": given.hostile, "seed": given.seed}
    with (
        TemporaryDirectory(prefix="mt-") as name,
        agent(Path(name), 0, setup) as running,
        feed(running.address, 1, **drawn) as sender,
        pinned(1),
    ):
        sender.ready()
        with watched(running) as watch:
            sender.tell("play", phases=[list(phase) for phase in whole.phases])
            started = float(sender.answer()["started"])
            done = sender.answer()
            sender.ask("end")
            _settle(watch, int(done["flows"]))
            totals = running.stop()
    return Live(
        whole,
        warm,
        int(done["flows"]),
        int(totals["flows"]),
        dropped(totals),
        float(done["late"]),
        float(done["cpu"]),
        np.array([flow_number(uid, sender.ring) for _, uid in watch.alerts], np.int64),
        np.array([seen for seen, _ in watch.alerts], np.float64) - started,
        _since(watch.process, started),
        _since(watch.status, started),
    )


def _settle(watch: Watch, sent: int) -> None:
    """Wait until the agent has scored or counted all, or does no more."""
    end = time.monotonic() + SETTLE
    known = 0
    while time.monotonic() < end:
        time.sleep(2.5)
        scored = sum(watch.status[-1][1:]) if watch.status else 0
        if scored >= sent or (scored == known and scored):
            return
        known = int(scored)


def _since(rows: list[Any], started: float) -> Floats:
    """float64 [n, 3], the first column from `started` on."""
    made = np.array(rows, np.float64).reshape(-1, 3)
    made[:, 0] -= started
    return made
