"""What `metatap top` shows, added up over the processes of a sensor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from metatap.metrics.histogram import quantile

Document = dict[str, Any]

LATENCIES = {
    "receive_to_score": "received to scored",
    "flow_to_score": "flow's end to scored",
    "flow_to_alert": "flow's end to alert",
}
"""Histogram of the document → what it is."""


@dataclass(slots=True)
class Place:
    """Counters of a stage or sink.

    Attributes:
        received: Units that came.
        passed: Units handed on.
        dropped: Reason → units that were not.
        waiting: Of a sink, alerts that wait.
        oldest_s: Of a sink, age of the oldest of these.
        errors: Of a sink, reason → tries that failed.
    """

    received: int = 0
    passed: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    waiting: int = 0
    oldest_s: float = 0.0
    errors: Counter[str] = field(default_factory=Counter)

    def add(self, found: Document) -> None:
        """Add what a document says of it."""
        self.received += found["received"]
        self.passed += found["passed"]
        self.dropped.update(found["dropped"])
        self.waiting += found.get("waiting", 0)
        self.oldest_s = max(self.oldest_s, found.get("oldest_s", 0.0))
        self.errors.update(found.get("errors", {}))


@dataclass(slots=True)
class Figures:
    """One look at an agent.

    Attributes:
        time: When its figures were made, s since the epoch.
        since: When it started.
        sensor: Its name.
        flows: Flows scored.
        alerts: Alert events written.
        busy: Seconds spent on flows, of all processes.
        stages: Name → counters.
        sinks: Name of a sink of the spool → counters.
        packs: State → packs; of the first process.
        model: Name and version.
        latency: Name of `LATENCIES` → bounds and counts.
        shards: Of several processes, number and what is wrong with it, "" if nothing is.
        rates: Alerts a day: budget (0: none), realised.
    """

    time: float
    since: float
    sensor: str
    flows: int = 0
    alerts: int = 0
    busy: float = 0.0
    stages: dict[str, Place] = field(default_factory=dict)
    sinks: dict[str, Place] = field(default_factory=dict)
    packs: Counter[str] = field(default_factory=Counter)
    model: str = ""
    latency: dict[str, tuple[list[float], list[int]]] = field(default_factory=dict)
    shards: dict[str, str] = field(default_factory=dict)
    rates: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def of(cls, document: Document) -> Figures:
        """Those of a document of `metatap status`."""
        parts = document.get("shards", [document])
        there = [part for part in parts if "error" not in part]
        time = min((part["time"] for part in there), default=document["time"])
        found = cls(time, document["since"], document["sensor"])
        if "shards" in document:
            found.shards = {part["shard"]: part.get("error", "") for part in parts}
        for part in there:
            found._add(part)
        return found

    def _add(self, part: Document) -> None:
        self.flows += part["flows"]
        self.alerts += part["alerts"]
        self.busy += part["busy_seconds"]
        for name, counts in part["stages"].items():
            self.stages.setdefault(name, Place()).add(counts)
        for counts in part["sinks"]:
            self.sinks.setdefault(counts["name"], Place()).add(counts)
        if not self.model:
            self.model = f"{part['model']['name']} {part['model']['version']}"
            self.packs.update(pack["state"] for pack in part["packs"])
        for name in LATENCIES:
            histogram = part["timing"][name]
            _, counts = self.latency.setdefault(name, (histogram["bounds"], []))
            counts[:] = _summed(counts, histogram["counts"])
        realised = (part["adaptation"] or {}).get("alerts_a_day", {}).get("realised", 0.0)
        budget, before = self.rates
        self.rates = budget + part["alerts_per_day"], before + realised


def latency(
    now: Figures, before: Figures | None, name: str, shares: Sequence[float]
) -> list[float] | None:
    """Values that shares of what came between two looks do not exceed, s; None: nothing came."""
    if name not in now.latency:
        return None
    bounds, counts = now.latency[name]
    if before is not None and name in before.latency:
        counts = [a - b for a, b in zip(counts, before.latency[name][1], strict=True)]
    if min(counts) < 0:
        counts = now.latency[name][1]  # a process was started again
    found = [quantile(bounds, counts, share) for share in shares]
    return [value for value in found if value is not None] or None


def _summed(one: list[int], other: list[int]) -> list[int]:
    return [a + b for a, b in zip(one, other, strict=True)] if one else [*other]
