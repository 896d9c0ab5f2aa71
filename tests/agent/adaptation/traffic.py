"""Traffic of several days made of stored networks, as the tail and the tests of drift see it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metatap.adaptation.candidates import Candidates
from metatap.adaptation.clock import HOUR, SECOND
from metatap.adaptation.keys import alert_keys, host_keys
from metatap.adaptation.tail import Tail
from metatap.alerts.group import flow_times
from metatap.detector import Model, RuleSet
from metatap.flow import FlowBatch

WINDOW = 300 * SECOND

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """n scored flows, in the order of their start.

    Attributes:
        features: float32 [n, F].
        scores: float32 [n, P].
        host: uint64 [n].
        pair: uint64 [n], of originator and responder.
        time: int64 [n], ns.
    """

    features: FloatArray
    scores: FloatArray
    host: npt.NDArray[np.uint64]
    pair: npt.NDArray[np.uint64]
    time: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.time)

    def take(self, rows: npt.NDArray[np.generic]) -> Seen:
        """Some of the flows."""
        return Seen(
            self.features[rows],
            self.scores[rows],
            self.host[rows],
            self.pair[rows],
            self.time[rows],
        )

    def at(self, time: npt.NDArray[np.int64], salt: int = 0) -> Seen:
        """The same flows at other times, of other hosts if there is a salt."""
        other = np.uint64(salt)
        return Seen(self.features, self.scores, self.host ^ other, self.pair ^ other, time)

    def alerts(self, thresholds: FloatArray) -> set[tuple[int, int, int]]:
        """The alerts, by pack, pair and window."""
        rows, packs = np.nonzero(self.scores >= thresholds)
        window = self.time[rows] // WINDOW
        return {*zip(packs.tolist(), self.pair[rows].tolist(), window.tolist(), strict=True)}

    def show(self, tail: Tail, now: int) -> None:
        """Show the flows to a tail."""
        rows, packs = np.nonzero(self.scores >= tail.floors)
        key = self.pair[rows] ^ (self.time[rows] // WINDOW).astype(np.uint64)
        tail.add(
            Candidates(
                packs.astype(np.int64),
                self.scores[rows, packs],
                key,
                self.host[rows],
                np.full(len(rows), now, np.int64),
            ),
            now,
        )


def seen(batch: FlowBatch, features: FloatArray, rules: RuleSet) -> Seen:
    """Score n flows."""
    model = rules.model
    assert isinstance(model, Model)
    parts = range(0, len(features), 1024)
    chunks = [model.score(model.select(features[at : at + 1024]), rules.heads)[0] for at in parts]
    rows = np.arange(batch.rows)
    hosts = host_keys(batch, rows, 1)
    pairs = alert_keys(batch, rows, hosts, np.zeros(batch.rows, np.int64))
    time = flow_times(batch, 0).start
    order = np.argsort(time, kind="stable")
    scores = np.concatenate(chunks)[:, : len(rules.packs)]
    return Seen(features, scores, hosts, pairs, time).take(order)


def stretched(flows: Seen, rate: int) -> list[Seen]:
    """Hours of `rate` flows each, from flows that were closer to each other."""
    count = len(flows) // rate
    offsets = (np.arange(rate) * (HOUR // rate)).astype(np.int64)
    return [flows.take(np.arange(at * rate, (at + 1) * rate)).at(offsets) for at in range(count)]


def by_hour(flows: Seen, least: int = 20) -> list[Seen]:
    """The hours of traffic with so many flows, each beginning at 0."""
    start = flows.time - flows.time[0]
    hour = start // HOUR
    found = [np.flatnonzero(hour == number) for number in np.unique(hour)]
    return [flows.take(rows).at(start[rows] % HOUR) for rows in found if len(rows) >= least]


def drawn(
    hours: list[Seen],
    count: int,
    rng: np.random.Generator,
    begin: int = 0,
    *,
    length: int = 1,
    seasonal: bool = False,
) -> Iterator[tuple[int, Seen]]:
    """A block bootstrap (Künsch 1989): runs of hours drawn at random and put together.

    Args:
        hours: The hours, in order.
        count: How many are drawn.
        rng: Draws them.
        begin: Number of the first.
        length: Hours in a run.
        seasonal: Keep the time of the day, give or take two hours (Politis 2001).

    Returns:
        The number of each hour and its flows.
    """
    first = 0
    for at in range(count):
        if at % length == 0:
            first = int(rng.integers(max(len(hours) - length + 1, 1)))
            if seasonal:
                day = int(rng.integers(max(len(hours) // 24, 1)))
                first = 24 * day + (begin + at) % 24 + int(rng.integers(-2, 3))
        part = hours[(first + at % length) % len(hours)]
        yield begin + at, part.at(part.time + (begin + at) * HOUR)
