"""One aggregate: its `opened` alert and what has changed since."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from metatap.alerts.alert import Alert, AlertKind
from metatap.alerts.folding import Destinations
from metatap.alerts.group import Group
from metatap.flow import FlowBatch

MAX_LIVING = 256
"""Living connections remembered in an aggregate, so that each counts once; of more than these, a
connection may count again at each of its interim records."""


@dataclass(slots=True)
class Aggregate:
    """Hits of one pack on one pair of hosts, or on further ones of one originator, in one window.

    Attributes:
        opened: Its first event; the `summary` repeats its flow.
        timed: Whether that flow has a `ts`: which clock the deadline is of.
        first: Earliest start of a flow, ns since the epoch.
        last: Latest end, likewise.
        max_score: Highest score.
        max_uid: Uid of the flow with it.
        deadline: When it closes, ns since the epoch.
        serial: Number of its entry in the queue of deadlines, 0 if it is not queued.
        count: Flows.
        revision: How often it went on after it was closed.
        destinations: The responders, of a fold only.
        uids: Uids of the first flows.
        living: Uids of connections that were counted and still live.
        is_open: False once its summary is out; it is held on for a while for late hits.
    """

    opened: Alert
    timed: bool
    first: int
    last: int
    max_score: float
    max_uid: str
    deadline: int = 0
    serial: int = 0
    count: int = 0
    revision: int = 0
    destinations: Destinations | None = None
    uids: list[str] = field(default_factory=list)
    living: set[str] = field(default_factory=set)
    is_open: bool = True

    @classmethod
    def of(cls, alert: Alert, *, timed: bool) -> Aggregate:
        """A new aggregate with its first event; the event's flow is not yet counted."""
        return cls(
            alert,
            timed,
            alert.first,
            alert.last,
            alert.max_score,
            alert.max_uid,
            revision=alert.revision,
        )

    def update(
        self, batch: FlowBatch, group: Group, max_uids: int, addresses: Iterable[bytes] = ()
    ) -> None:
        """Add the hits of a batch; a fold is told their responders."""
        if self.destinations is not None:
            self.destinations.add(addresses)
        self.first = min(self.first, group.first)
        self.last = max(self.last, group.last)
        if group.score > self.max_score:
            self.max_score = group.score
            self.max_uid = uid_of(batch, group.best)
        for row in group.rows[:max_uids]:
            if len(self.uids) >= max_uids:
                break
            uid = uid_of(batch, row)
            if uid and uid not in self.uids:
                self.uids.append(uid)
        self._count(batch, group)

    def _count(self, batch: FlowBatch, group: Group) -> None:
        """Count flows; a connection reported while it lives counts at its first record."""
        column = batch.numeric("partial")
        living = None
        if column is not None:
            living = column.values[group.rows] != 0
            if column.valid is not None:
                living &= column.valid[group.rows]
        if not self.living and (living is None or not living.any()):
            self.count += len(group.rows)
            return
        for at, row in enumerate(group.rows):
            uid = uid_of(batch, row)
            self.count += uid not in self.living
            if living is None or not living[at]:
                self.living.discard(uid)
            elif uid and len(self.living) < MAX_LIVING:
                self.living.add(uid)

    def summary(self, now: int, *, early: bool) -> Alert:
        """Its `summary` as of now (ns since the epoch)."""
        destinations = self.destinations
        return replace(
            self.opened,
            kind=AlertKind.SUMMARY,
            revision=self.revision,
            created=now,
            first=self.first,
            last=self.last,
            count=self.count,
            uids=tuple(self.uids),
            max_score=self.max_score,
            max_uid=self.max_uid,
            destinations=destinations.count if destinations is not None else 0,
            at_least=destinations is not None and destinations.at_least,
            early=early,
        )

    def release(self) -> None:
        """Give back what it holds of a common store."""
        if self.destinations is not None:
            self.destinations.release()


def uid_of(batch: FlowBatch, row: int) -> str:
    """A flow's uid, "" if absent."""
    uids = batch.strings("uid")
    return ((uids.item(row) if uids else None) or b"").decode("utf-8", "backslashreplace")
