"""A bounded sample of the network's own recent flows.

Each flow is given a number when it is seen, t · ln 2 / half_life − ln(−ln u), t the time and u
uniform, and the flows with the highest are kept: a weighted sample without replacement (Efraimidis
& Spirakis, "Weighted random sampling with a reservoir", Inf. Process. Lett. 2006) whose weights
fall by half every `half_life` (Cormode, Shkapenyuk, Srivastava & Xu, "Forward decay", ICDE 2009).
A flow's number never changes, so the sample is the same however the stream is cut, and flows of the
same time have the same chance: natural weights. Of one originator only its highest ones are kept.

Flows that were flagged are not left out. If they were, the background would be what the detector
already calls benign, thresholds read from it would confirm themselves, and a benign service that is
flagged by mistake would never be learned; what an attack in the background costs is bounded when a
pack is adapted (`trim`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from metatap.adaptation.clock import DAY
from metatap.adaptation.frame import Frame
from metatap.adaptation.keys import KeyArray
from metatap.adaptation.ranks import ranks
from metatap.errors import StateError
from metatap.features import WIDTH

FloatArray = npt.NDArray[np.float32]

MOST = 2**62
"""Of a count that is read."""

SLACK = 1.25
"""The sample is cut to its size when it is so many times as large: cutting costs a copy."""


class Reservoir:
    """The sample.

    Attributes:
        seen: Flows offered.
        capacity: Flows kept, at most.
        quota: Of them of one originator, at most.
    """

    def __init__(
        self,
        capacity: int,
        host_share: float,
        *,
        half_life: int = DAY,
        width: int = WIDTH,
        seed: int | None = None,
    ) -> None:
        """Start empty.

        Args:
            capacity: Flows kept, at most; ≥ 1.
            host_share: Share of them that one originator may have.
            half_life: ns of traffic time in which a flow's chance falls by half.
            width: F, columns of a flow.
            seed: Of the random numbers; None: unpredictable.
        """
        self.seen = 0
        self.capacity = capacity
        self.quota = max(int(host_share * capacity), 1)
        self._rate = math.log(2) / half_life
        self._rng = np.random.default_rng(seed)
        self._floor = -math.inf
        self._full = (np.zeros(0, np.uint64), np.zeros(0))
        self._serials = 0
        self._columns = _empty(width)
        self._fresh: list[dict[str, npt.NDArray[Any]]] = []
        self._held = 0

    def draw(self, rows: int, now: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
        """Draw the numbers of the next flows.

        Args:
            rows: How many flows there are.
            now: Traffic time, ns.

        Returns:
            intp [c], which of them may enter the sample, and float64 [c], their numbers.
        """
        self.seen += rows
        number = -np.log(self._rng.standard_exponential(rows)) + self._rate * now
        entering = np.flatnonzero(number > self._floor)
        return entering, number[entering]

    def admits(self, hosts: KeyArray, numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """bool [c], which of the flows drawn are among the highest of their originators.

        Args:
            hosts: uint64 [c], their originators.
            numbers: float64 [c], from `draw`.
        """
        full, least = self._full
        if not len(full):
            return np.ones(len(hosts), np.bool_)
        at = np.minimum(np.searchsorted(full, hosts), len(full) - 1)
        admitted: npt.NDArray[np.bool_] = (full[at] != hosts) | (numbers > least[at])
        return admitted

    def add(
        self, features: FloatArray, hosts: KeyArray, numbers: npt.NDArray[np.float64], now: int
    ) -> None:
        """Take in flows that were drawn and admitted.

        Args:
            features: float32 [c, F], their rows; kept as a copy.
            hosts: uint64 [c], their originators.
            numbers: float64 [c], from `draw`.
            now: Traffic time, ns.
        """
        count = len(numbers)
        if not count:
            return
        serial = np.arange(self._serials, self._serials + count, dtype=np.int64)
        self._serials += count
        self._fresh.append(
            {
                "features": np.array(features, np.float32),
                "host": hosts,
                "number": numbers,
                "time": np.full(count, now, np.int64),
                "serial": serial,
            }
        )
        self._held += count
        if self._held > SLACK * self.capacity:
            self._trim()

    @property
    def features(self) -> FloatArray:
        """float32 [m, F], the sample, oldest first."""
        self._trim()
        features: FloatArray = self._columns["features"]
        return features

    @property
    def serials(self) -> npt.NDArray[np.int64]:
        """int64 [m], the number each flow of the sample came under; one is never used twice."""
        self._trim()
        serials: npt.NDArray[np.int64] = self._columns["serial"]
        return serials

    @property
    def hosts(self) -> KeyArray:
        """uint64 [m], the originators."""
        self._trim()
        hosts: KeyArray = self._columns["host"]
        return hosts

    @property
    def since(self) -> int:
        """Traffic time of its oldest flow, ns; 0 if it is empty."""
        self._trim()
        times = self._columns["time"]
        return int(times.min()) if len(times) else 0

    def age(self, since: int, half_lives: float) -> None:
        """Let what was seen before a change give way.

        Args:
            since: Traffic time of the change, ns.
            half_lives: By how much older flows are aged.
        """
        self._trim()
        older = self._columns["time"] < since
        number = self._columns["number"] - half_lives * math.log(2) * older
        self._columns = {**self._columns, "number": number}
        self._cut()

    def frame(self) -> Frame:
        """The sample as it is kept over a restart."""
        self._trim()
        return Frame({"seen": self.seen, "serials": self._serials}, {**self._columns})

    def restore(self, frame: Frame) -> None:
        """Go on with a sample that was kept; cut to this one's size and quota.

        Raises:
            StateError: it is not one, or of flows of another width.
        """
        features = frame.array("features", "<f4", (None, self._columns["features"].shape[1]))
        rows = len(features)
        columns: dict[str, npt.NDArray[Any]] = {"features": features}
        for name, dtype in (("host", "<u8"), ("number", "<f8"), ("time", "<i8"), ("serial", "<i8")):
            columns[name] = frame.array(name, dtype, (rows,))
        seen, serials = frame.facts.get("seen"), frame.facts.get("serials")
        if type(seen) is not int or type(serials) is not int or not _are_counts(seen, serials):
            raise StateError("adaptation: reservoir: its counts are no counts")
        if not np.isfinite(columns["number"]).all() or np.isinf(features).any():
            raise StateError("adaptation: reservoir: numbers that are not finite")
        if rows and not 0 <= columns["serial"].min() <= columns["serial"].max() < serials:
            raise StateError("adaptation: reservoir: serials out of range")
        self.seen, self._serials = seen, serials
        self._columns, self._fresh = columns, []
        self._cut()

    def _trim(self) -> None:
        """Join what came in, keep each originator's highest, then the highest of all."""
        if not self._fresh:
            return
        parts = [self._columns, *self._fresh]
        self._columns = {
            name: np.concatenate([part[name] for part in parts]) for name in self._columns
        }
        self._fresh = []
        self._cut()

    def _cut(self) -> None:
        number, host = self._columns["number"], self._columns["host"]
        rank = ranks(host, number)
        keep = np.flatnonzero(rank < self.quota)
        last = np.flatnonzero(rank == self.quota - 1)
        last = last[np.argsort(host[last])]
        self._full = (host[last], number[last])
        if len(keep) > self.capacity:
            order = np.argpartition(-number[keep], self.capacity - 1)
            keep = np.sort(keep[order[: self.capacity]])
        if len(keep) < len(number):
            self._columns = {name: values[keep] for name, values in self._columns.items()}
        self._held = len(keep)
        full = self._held >= self.capacity
        self._floor = float(self._columns["number"].min()) if full else -math.inf


def _empty(width: int) -> dict[str, npt.NDArray[Any]]:
    return {
        "features": np.zeros((0, width), np.float32),
        "host": np.zeros(0, np.uint64),
        "number": np.zeros(0, np.float64),
        "time": np.zeros(0, np.int64),
        "serial": np.zeros(0, np.int64),
    }


def _are_counts(*values: int) -> bool:
    return all(0 <= value < MOST for value in values)
