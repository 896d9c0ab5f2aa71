"""Source `recording`: raw messages from a file, as if they came now.

In: a file of `recording_file`. Out: batches, through the same decoding and accounting as live ones;
clocks are the recording's own. Dropped: see `session`, and messages under a name of
`recording_file.REASONS`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from metatap.counters import Counters
from metatap.errors import WireError
from metatap.flow import FlowBatch
from metatap.sources.nodes import SourceStatus
from metatap.sources.options import WireOptions
from metatap.sources.recording_file import Record, RecordingReader
from metatap.sources.session import WireSession

NS = 1_000_000_000


class RecordingSource:
    """A stream of flow batches from a recording; a `Source`.

    Attributes:
        name: `recording`.
        flows: Flows received (those known to be lost included), passed on, dropped.
        messages: Messages received, passed on, dropped.
        bytes_total: Bytes of the file, as it lies on disk.
    """

    name = "recording"

    def __init__(self, path: Path, options: WireOptions | None = None) -> None:
        """Open the file.

        Raises:
            SourceError: there is no such file, or it is no recording.
        """
        options = options or WireOptions()
        self._reader = RecordingReader(path, options.max_message_bytes)
        self.bytes_total = self._reader.bytes_total
        self._records: Iterator[Record | WireError] | None = iter(self._reader)
        self._session = WireSession(self.name, options)
        self._wanted = tuple(f".{shard:03d}.".encode() for shard in options.shards)
        self._now = 0.0
        self.flows: Counters = self._session.flows
        self.messages: Counters = self._session.messages

    @property
    def bytes_read(self) -> int:
        """How many bytes of the file have been read."""
        return self._reader.bytes_read

    @property
    def done(self) -> bool:
        """All batches have been read."""
        return self._records is None and not self._session.waiting

    def read(self, timeout: float) -> FlowBatch | None:  # noqa: ARG002 - a file never waits
        """The next batch, None at the end."""
        while self._records is not None and not self._session.full():
            record = next(self._records, None)
            if record is None:
                self.close()
            elif isinstance(record, WireError):
                self._session.skip(record, (), self._now)
            elif self._subscribed(record):
                self._now = record.time_ns / NS
                self._session.accept(record.parts, self._now)
                self._session.check(self._now)
        return self._session.take()

    def discard(self, reason: str) -> int:
        """Drop what is decoded and waits; the rest of the file was never received."""
        self.close()
        return self._session.discard(reason)

    def heard(self) -> SourceStatus:
        """Nodes, when they were last seen by the recording's clock, and what was lost."""
        return self._session.status(self._now)

    def status(self) -> dict[str, object]:
        """The same as JSON can say it, for the log."""
        return self.heard().report()

    def close(self) -> None:
        """Free the file; idempotent."""
        self._records = None
        self._reader.close()

    def _subscribed(self, record: Record) -> bool:
        """Whether a subscriber of the wanted shards would have got the message."""
        topic = record.parts[0] if record.parts else b""
        start = len(b"metatap.flows.v1")
        return (
            not self._wanted
            or not topic.startswith(b"metatap.flows.v1.")
            or topic.startswith(self._wanted, start)
        )
