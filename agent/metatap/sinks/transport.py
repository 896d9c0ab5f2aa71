"""What every way to a SIEM offers to the one thread that brings alerts to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from metatap.errors import MetatapError
from metatap.packs import Severity


class Guarantee(StrEnum):
    """What a transport can promise.

    `AT_LEAST_ONCE`: done means that the receiver has said it has the alert (a file: that the disk
    has it). `LAST_WINDOW`: done means that the receiver's system has it; what was sent last is sent
    again after the connection broke. `BEST_EFFORT`: done means that it was sent.
    """

    AT_LEAST_ONCE = "at_least_once"
    LAST_WINDOW = "last_window"
    BEST_EFFORT = "best_effort"


@dataclass(frozen=True, slots=True)
class Record:
    """One alert, ready to be sent.

    Attributes:
        id: Its `event.id`, by which a receiver knows a duplicate.
        time: Its `@timestamp`, ns since the epoch.
        severity: By which syslog's severity is chosen.
        body: The alert in the sink's format, on one line without its end.
    """

    id: str
    time: int
    severity: Severity
    body: bytes


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of the records of one `send`.

    Attributes:
        done: The first so many are settled: they are in their place, or refused. The others have to
            be sent again.
        refused: Index of a settled record that the receiver will never take → why, one short word.
    """

    done: int
    refused: Mapping[int, str] = field(default_factory=dict)


class TransportError(MetatapError):
    """Nothing of a `send` is known to have arrived; it has to be sent again.

    Attributes:
        reason: One short word for counters: `refused`, `timeout`, `tls`, `throttled`, …
        retry_after: Seconds that the receiver asked to be left alone, None if it did not ask.
    """

    def __init__(self, reason: str, detail: str, retry_after: float | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.retry_after = retry_after


class Transport(Protocol):
    """A way to a SIEM; owned by one thread. It connects when it has something to send.

    Attributes:
        name: Kind and place without secrets, e.g. `syslog+tls:siem.example.org:6514`.
        guarantee: What `done` means.
        batch: Records of one `send`, at most.
    """

    name: str
    guarantee: Guarantee
    batch: int

    def send(self, records: Sequence[Record]) -> Sent:
        """Bring records, in their order; blocks for a bounded time.

        Args:
            records: 1 to `batch` of them.

        Raises:
            TransportError: the receiver can't be reached, broke off, or takes nothing now.
        """
        ...

    def reopen(self) -> None:
        """Take the place anew, e.g. after a rotation; called from another thread at any time."""
        ...

    def close(self) -> None:
        """Free the place; idempotent."""
        ...
