"""Alerts appended to a file, one a line."""

from __future__ import annotations

import errno
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from metatap.counters import Counters

MAX_HELD_BYTES = 32 * 2**20
"""Alerts held for another try while the file can't be written, at most; the oldest go first."""

RETRY_SECONDS = 1.0
"""Pause between tries."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

log = structlog.get_logger(__name__)


class FileSink:
    """Appends to a file with one write a batch.

    A write that fails is tried again a second later with what came meanwhile; the last
    `MAX_HELD_BYTES` are kept for it. Part of a line that a full disk or a crash left behind is
    ended with a line end before anything is appended, so that only that line is unreadable. A file
    that was moved away is written to until `reopen`.
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
        self._held: deque[bytes] = deque()
        self._held_bytes = 0
        self._file: int | None = None
        self._retry_at = 0.0
        self._failing = ""
        self._is_closed = False

    def write(self, lines: Sequence[bytes]) -> None:
        """Append alerts, or hold them if the file can't be written now."""
        if self._is_closed:
            self.alerts.drop("closed", len(lines))
            return
        self._held.extend(lines)
        self._held_bytes += sum(map(len, lines))
        self.alerts.received += len(lines)
        if self._held and self._monotonic() >= self._retry_at:
            self._write_held()
        self._drop(MAX_HELD_BYTES)

    def flush(self) -> None:
        """Try at once to write what is held."""
        if self._held and not self._is_closed:
            self._write_held()

    def reopen(self) -> None:
        """Close the file; the next alert opens the path anew."""
        self._release()
        self._retry_at = 0.0

    def close(self) -> None:
        """Write what is held or count it as dropped, and close the file."""
        if self._is_closed:
            return
        self.flush()
        self._drop(0)
        self._release()
        self._is_closed = True

    def _write_held(self) -> None:
        content = b"\n".join((*self._held, b""))
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
        self._pass(len(self._held))
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
        self._pass(written.count(b"\n"))
        self._release()
        self._retry_at = self._monotonic() + RETRY_SECONDS
        reason = "disk_full" if error.errno in _FULL else "write_failed"
        if reason != self._failing:
            self._failing = reason
            log.warning("sink_failed", sink=self.name, reason=reason, error=str(error))

    def _pass(self, lines: int) -> None:
        for _ in range(lines):
            self._forget()
        self.alerts.passed += lines

    def _drop(self, limit: int) -> None:
        """Drop the oldest alerts over `limit` bytes; they are counted as received already."""
        lines = 0
        while self._held and (self._held_bytes > limit or not limit):
            self._forget()
            lines += 1
        if lines:
            reason = self._failing or "write_failed"
            self.alerts.dropped[reason] = self.alerts.dropped.get(reason, 0) + lines
            log.warning("alerts_dropped", sink=self.name, reason=reason, alerts=lines)

    def _forget(self) -> None:
        self._held_bytes -= len(self._held.popleft())

    def _release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
