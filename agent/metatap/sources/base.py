"""What every source of flows offers."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from metatap.counters import Counters
from metatap.flow import FlowBatch


@runtime_checkable
class Source(Protocol):
    """A stream of flow batches.

    Attributes:
        name: Kind of the source, e.g. `zeek+zmq`.
        flows: Flows received (those known to be lost included), passed on, dropped by reason.
        messages: The same for the source's own units: wire messages, lines.
        done: No batch will come any more.
    """

    name: str
    flows: Counters
    messages: Counters

    @property
    def done(self) -> bool:
        """No batch will come any more."""
        ...

    def read(self, timeout: float) -> FlowBatch | None:
        """The next batch; None if none came within `timeout` seconds or the source is done.

        Bad input is counted, logged and skipped, never raised.

        Raises:
            SourceError: the source itself failed (file vanished, socket closed).
        """
        ...

    def discard(self, reason: str) -> int:
        """Take nothing more: count what is queued in this process as flows dropped for `reason`.

        Afterwards the source is done. What was never received (the rest of a file) is not counted.

        Args:
            reason: Name that `flows.dropped` gets.

        Returns:
            The number of flows dropped; 0 the second time.
        """
        ...

    def status(self) -> dict[str, object]:
        """What a person may want to see in the log: small, and JSON can say it."""
        ...

    def close(self) -> None:
        """Free sockets and files; idempotent."""
        ...
