"""Alerts for tests of the spool: small ones with ids, and the transports' kind of receiver."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from metatap.sinks.transport import Guarantee, Record, Sent, TransportError
from metatap.spool import FILE, Entry, Spool, WhenFull

BIG = 2**30


def line(name: str, size: int = 0, severity: int = 73) -> bytes:
    """An alert with an id, padded to about `size` bytes."""
    document = {
        "@timestamp": "2024-03-01T10:00:00.250Z",
        "event": {"id": name, "severity": severity},
    }
    body = json.dumps(document | {"message": "x" * max(0, size - 110)})
    return body.encode()


def lines(first: int, count: int, size: int = 0) -> list[bytes]:
    return [line(str(at), size) for at in range(first, first + count)]


def open_spool(folder: Path, *sinks: str, max_bytes: int = BIG, **options: object) -> Spool:
    given: dict[str, object] = {"when_full": WhenFull.BLOCK, **options}
    return Spool(folder / FILE, sinks or ("a",), max_bytes=max_bytes, **given)  # type: ignore[arg-type]


def drain(spool: Spool, sink: str, limit: int = 100) -> list[Entry]:
    """All that waits for a sink, acknowledged."""
    found: list[Entry] = []
    while spool.claims[sink].waiting:
        entries = spool.read(sink, limit, 2**22)
        if entries:
            spool.ack(sink, entries[-1].seq)
            found += entries
    return found


def ids(entries: Sequence[Entry]) -> list[str]:
    return [entry.id for entry in entries]


def is_balanced(spool: Spool) -> bool:
    """Whether nothing was lost silently, for any sink."""
    return all(
        claim.alerts.received
        == claim.alerts.passed + sum(claim.alerts.dropped.values()) + claim.filtered + claim.waiting
        for claim in spool.claims.values()
    )


class Clock:
    """A monotonic clock that tests move."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


class NoPause(Random):
    """Jitter that is always the shortest."""

    def uniform(self, a: float, b: float) -> float:
        return min(a, b)


class Place:
    """A receiver in memory that keeps to the transports' contract and fails as it is told.

    Attributes:
        came: Ids that arrived, in their order.
        bodies: Their bodies.
        answer: Called with the records of each try, gives what `send` gives or raises.
    """

    name = "place"
    guarantee = Guarantee.AT_LEAST_ONCE

    def __init__(self, batch: int = 10) -> None:
        self.batch = batch
        self.came: list[str] = []
        self.bodies: list[bytes] = []
        self.records: list[Record] = []
        self.reopened = 0
        self.is_closed = False
        self.answer: Callable[[Sequence[Record]], Sent] = lambda records: Sent(len(records))

    def send(self, records: Sequence[Record]) -> Sent:
        assert 1 <= len(records) <= self.batch
        sent = self.answer(records)
        for at, record in enumerate(records[: sent.done]):
            if at not in sent.refused:
                self.came.append(record.id)
                self.bodies.append(record.body)
                self.records.append(record)
        return sent

    def reopen(self) -> None:
        self.reopened += 1

    def close(self) -> None:
        self.is_closed = True


def down(_: Sequence[Record]) -> Sent:
    raise TransportError("refused", "nobody listens")
