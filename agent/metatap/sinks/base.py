"""What every sink of alerts offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from metatap.counters import Counters


@runtime_checkable
class Sink(Protocol):
    """A place alerts go to.

    Attributes:
        name: Kind and place, e.g. `file:/var/log/metatap/alerts.jsonl`.
        alerts: Alerts received, written, dropped by reason. What is held back for another try is
            received and not yet passed; after `close` received = passed + Σ dropped.
    """

    name: str
    alerts: Counters

    def write(self, lines: Sequence[bytes]) -> None:
        """Take alerts: encoded, one an element, without line ends.

        A place that fails is counted and logged, never raised.
        """
        ...

    def flush(self) -> None:
        """Try to bring everything taken so far to its place."""
        ...

    def retry(self) -> None:
        """Try again to bring what is held back, if its pause is over; costs nothing otherwise.

        Called whenever the agent has nothing else to do, so that what a fault held back does not
        wait for the next alert.
        """
        ...

    def reopen(self) -> None:
        """Open the place anew, e.g. after a rotation."""
        ...

    def close(self) -> None:
        """Flush, count what could not be brought as dropped and free the place; idempotent."""
        ...
