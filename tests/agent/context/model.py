"""Context by brute force: what `metatap.context` is held to, in plain Python."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from metatap.context.layout import CONTEXT_NAMES
from metatap.flow import FlowBatch, to_row

FAILED = {"S0", "REJ", "RSTOS0", "RSTRH", "SH", "SHR"}
HALF_LIVES = {"s": 10.0, "m": 320.0, "h": 10240.0}
NS = 1_000_000_000


@dataclass
class Running:
    """Mean of values and mean deviation from it; a new value counts for 1/n, at least 1/8."""

    mean: float = 0.0
    spread: float = 0.0

    def take(self, value: float, number: float) -> None:
        """One more value, after `number` others in decayed count."""
        old = self.mean
        self.mean += (value - old) / min(max(number + 1, 1), 8)
        if number > 0:
            self.spread += (abs(value - old) - self.spread) / min(max(number, 1), 8)


@dataclass
class Memory:
    """All flows of one key."""

    flows: list[tuple[int, bool]] = field(default_factory=list)
    things: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    latest: int | None = None
    gap: Running = field(default_factory=Running)
    size: Running = field(default_factory=Running)

    def count(self, half_life: float, now: int, *, failed: bool = False) -> float:
        """Σ 2^−(age / half-life) of flows, or of failed ones."""
        return sum(_left(now - at, half_life) for at, bad in self.flows if bad or not failed)

    def distinct(self, what: str, half_life: float, now: int) -> float:
        """Σ 2^−(time since it was last seen / half-life) of different things."""
        return sum(_left(now - at, half_life) for at in self.things[what].values())


def _left(age: int, half_life: float) -> float:
    return math.pow(2.0, -age / NS / half_life)


class Brute:
    """Context of a stream of flows; nothing is ever forgotten."""

    def __init__(self) -> None:
        self._keys: dict[str, Memory] = defaultdict(Memory)

    def update(self, batch: FlowBatch) -> npt.NDArray[np.float64]:
        """float64 [n, C], as `Context.update`."""
        out = np.full((batch.rows, len(CONTEXT_NAMES)), np.nan)
        start = batch.numeric("ts")
        for at in range(batch.rows):
            row = to_row(batch, at)
            if start is None or not start.mask()[at] or row.get("partial"):
                continue
            known = self._flow(row, int(start.values[at]))
            out[at] = [known[name] for name in CONTEXT_NAMES]
        return out

    def _flow(self, row: dict[str, Any], time: int) -> dict[str, float]:
        host, peer = row["id.orig_h"], row["id.resp_h"]
        service = f"{row['proto']}/{row['id.resp_p']}"
        failed = row["conn_state"] in FAILED if "conn_state" in row else row.get("resp_pkts") == 0
        size = float(row.get("orig_ip_bytes", 0) + row.get("resp_ip_bytes", 0))
        things = {
            "host": (host, {"peers": peer, "services": service}),
            "pair": (f"{host} {peer}", {"services": service}),
            "service": (f"{host} {service}", {"peers": peer}),
        }
        known: dict[str, float] = {}
        for kind, (key, seen) in things.items():
            memory = self._keys[f"{kind} {key}"]
            known |= _take(memory, f"context.{kind}", time, failed=failed, size=size, seen=seen)
        return known


def _take(
    memory: Memory, name: str, time: int, *, failed: bool, size: float, seen: dict[str, str]
) -> dict[str, float]:
    now = time if memory.latest is None else max(time, memory.latest)
    before = memory.count(HALF_LIVES["h"], now)
    if memory.latest is not None:
        gap = (now - memory.latest) / NS
        memory.gap.take(gap, before - 1)
    memory.size.take(size, before)
    memory.flows.append((now, failed))
    memory.latest = now
    for what, thing in seen.items():
        memory.things[what][thing] = now
    known: dict[str, float] = {}
    for scale, half_life in HALF_LIVES.items():
        flows = memory.count(half_life, now)
        known[f"{name}.flows.{scale}"] = flows
        known[f"{name}.failed.{scale}"] = memory.count(half_life, now, failed=True) / flows
        for what in seen:
            known[f"{name}.{what}.{scale}"] = memory.distinct(what, half_life, now)
    known[f"{name}.gap"] = memory.gap.mean * 1e3 if before > 0 else math.nan
    known[f"{name}.gap_spread"] = _ratio(memory.gap) if before >= 1.5 else math.nan
    known[f"{name}.size_spread"] = _ratio(memory.size) if before >= 0.5 else math.nan
    return known


def _ratio(running: Running) -> float:
    return min(running.spread / running.mean, 4.0) if running.mean > 0 else 0.0
