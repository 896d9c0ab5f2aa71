"""Alerts appended to a file, one a line."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from metatap.counters import Counters
from metatap.sinks.backlog import Backlog

RETRY_SECONDS = 1.0
"""Pause between tries."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

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
        self._path = path
        self._fsync = fsync
        self._monotonic = monotonic
        self._backlog = Backlog(self.name, self.alerts, monotonic)
        self._file: int | None = None
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
        self._release()
        self._retry_at = 0.0

    def close(self) -> None:
        """Write what is held or count it as dropped, and close the file."""
        if self._is_closed:
            return
        self.flush()
        self._backlog.clear(self._failing or "write_failed")
        self._backlog.settle()
        self._release()
        self._is_closed = True

    def _write_held(self) -> None:
        content = b"\n".join((*self._backlog.lines, b""))
        written = 0
        try:
            file = self._open()
            while written < len(content):
                written += os.write(file, memoryview(content)[written:])
        except OSError as error:
            self._fail(error, content[:written])
            return
        try:
            if self._fsync:
                os.fsync(file)
        except OSError as error:
            self._fail(error, b"")
            return
        self._backlog.passes(len(self._backlog.lines))
        if self._failing:
            log.info("sink_recovered", sink=self.name)
            self._failing = ""

    def _open(self) -> int:
        """The file, open at its end, which is the end of a line."""
        if self._file is not None:
            return self._file
        self._path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
        file = os.open(self._path, flags, 0o640)
        try:
            size = os.fstat(file).st_size
            if size and os.pread(file, 1, size - 1) != b"\n":
                os.write(file, b"\n")
        except OSError:
            os.close(file)
            raise
        self._file = file
        return file

    def _fail(self, error: OSError, written: bytes) -> None:
        """Keep what is not yet written for later; the whole lines in `written` are done."""
        self._backlog.passes(written.count(b"\n"))
        self._release()
        self._retry_at = self._monotonic() + RETRY_SECONDS
        reason = "disk_full" if error.errno in _FULL else "write_failed"
        if reason != self._failing:
            self._failing = reason
            log.warning("sink_failed", sink=self.name, reason=reason, error=str(error))

    def _release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
