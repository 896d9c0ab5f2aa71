"""Alerts appended to a file, one a line."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from metatap.counters import Counters
from metatap.sinks.append import FULL, AppendFile
from metatap.sinks.backlog import Backlog
from metatap.sinks.faults import transport_error
from metatap.sinks.transport import Guarantee, Record, Sent

RETRY_SECONDS = 1.0
"""Pause between tries."""

log = structlog.get_logger(__name__)


class FileSink:
    """Appends to a file with one write a batch.

    A write that fails is tried again a second later, at the next `write` or `retry`, with what came
    meanwhile; the last `MAX_HELD_BYTES` are kept for it. Part of a line that a full disk or a crash
    left behind is ended with a line end before anything is appended, so that only that line is
    unreadable. A file that was moved away is written to until `reopen`.
    """

    def __init__(
        self,
        path: Path,
        *,
        fsync: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """A sink on a file; it is made, with its folder, at the first alert if need be.

        Args:
            path: The file.
            fsync: Wait for the disk after each batch.
            monotonic: Clock of the pauses, s.
        """
        self.name = f"file:{path}"
        self.alerts = Counters()
        self._file = AppendFile(path)
        self._fsync = fsync
        self._monotonic = monotonic
        self._backlog = Backlog(self.name, self.alerts, monotonic)
        self._retry_at = 0.0
        self._failing = ""
        self._is_closed = False

    def write(self, lines: Sequence[bytes]) -> None:
        """Append alerts, or hold them if the file can't be written now."""
        if self._is_closed:
            self._backlog.refuse("closed", len(lines))
            return
        self._backlog.take(lines)
        self.retry()
        self._backlog.trim(self._failing or "write_failed")

    def flush(self) -> None:
        """Try at once to write what is held."""
        if self._backlog.lines and not self._is_closed:
            self._write_held()

    def retry(self) -> None:
        """Write what is held, a second after the last try at the earliest."""
        if self._monotonic() >= self._retry_at:
            self.flush()

    def reopen(self) -> None:
        """Close the file; the next alert opens the path anew."""
        self._file.release()
        self._retry_at = 0.0

    def close(self) -> None:
        """Write what is held or count it as dropped, and close the file."""
        if self._is_closed:
            return
        self.flush()
        self._backlog.clear(self._failing or "write_failed")
        self._backlog.settle()
        self._file.release()
        self._is_closed = True

    def _write_held(self) -> None:
        content = b"\n".join((*self._backlog.lines, b""))
        written, error = self._file.write(content)
        if error is not None:
            self._fail(error, content[:written])
            return
        try:
            if self._fsync:
                self._file.sync()
        except OSError as unsure:
            self._fail(unsure, b"")
            return
        self._backlog.passes(len(self._backlog.lines))
        if self._failing:
            log.info("sink_recovered", sink=self.name)
            self._failing = ""

    def _fail(self, error: OSError, written: bytes) -> None:
        """Keep what is not yet written for later; the whole lines in `written` are done."""
        self._backlog.passes(written.count(b"\n"))
        self._file.release()
        self._retry_at = self._monotonic() + RETRY_SECONDS
        reason = "disk_full" if error.errno in FULL else "write_failed"
        if reason != self._failing:
            self._failing = reason
            log.warning("sink_failed", sink=self.name, reason=reason, error=str(error))


class FileTransport:
    """Appends to a file and waits for the disk; done means that the disk has it.

    A file that was moved away is noticed at the next `send`, which makes a new one; one that was
    copied and truncated is appended to at its new end. Part of a line that a full disk or a crash
    left behind is ended first, as by `FileSink`.
    """

    guarantee = Guarantee.AT_LEAST_ONCE

    def __init__(self, path: Path, *, batch: int = 1024) -> None:
        """A transport to a file; it is made, with its folder, at the first alert if need be.

        Args:
            path: The file.
            batch: Records of one `send`, at most.
        """
        self.name = f"file:{path}"
        self.batch = batch
        self._file = AppendFile(path)
        self._wants_anew = threading.Event()

    def send(self, records: Sequence[Record]) -> Sent:
        """Append records, a line each.

        Raises:
            TransportError: `disk_full` or `write_failed`; the disk is known to have none.
        """
        content = b"".join(record.body + b"\n" for record in records)
        try:
            if self._wants_anew.is_set() or self._file.was_moved():
                self._wants_anew.clear()
                self._file.release()
            self._file.open_regular()
            written, failure = self._file.write(content)
            self._file.sync()
        except OSError as error:
            self._file.release()
            raise transport_error(self.name, error, "write_failed") from None
        if failure is None:
            return Sent(len(records))
        self._file.release()
        done = content.count(b"\n", 0, written)
        if not done:
            raise transport_error(self.name, failure, "write_failed")
        return Sent(done)

    def reopen(self) -> None:
        """Open the path anew at the next `send`."""
        self._wants_anew.set()

    def close(self) -> None:
        """Close the file; idempotent."""
        self._file.release()
