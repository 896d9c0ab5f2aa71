"""Alerts on standard output."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable, Sequence
from typing import BinaryIO

import structlog

from metatap.counters import Counters
from metatap.sinks.backlog import MAX_HELD_BYTES, Backlog

PATIENCE = 5.0
"""Seconds that a reader may take nothing until it is no longer waited for."""

_PAUSE = 0.01
"""s between tries where a descriptor says it is ready and is not."""

log = structlog.get_logger(__name__)


class StdoutSink:
    """Writes as much as the reader takes; a reader that stands still or went away stops nobody.

    Nothing is written before the system says that it will be taken, so that no signal has to wait
    for the reader. What a slow reader has not taken yet is held, up to `MAX_HELD_BYTES`; beyond,
    and at the end, the reader is waited for as long as it goes on reading.
    """

    def __init__(
        self,
        stream: BinaryIO | None = None,
        *,
        patience: float = PATIENCE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """A sink on standard output.

        Args:
            stream: Another stream to write to; it is not closed.
            patience: Seconds that a reader may take nothing.
            monotonic: Clock of the patience, s.
        """
        self.name = "stdout"
        self.alerts = Counters()
        self._stream = stream
        self._patience = patience
        self._monotonic = monotonic
        self._backlog = Backlog(self.name, self.alerts, monotonic)
        self._begun = 0
        self._is_closed = False
        self._is_broken = False
        self._is_stalled = False

    def write(self, lines: Sequence[bytes]) -> None:
        """Write alerts, or hold them for a reader that is slow.

        They are dropped as `reader_stalled` if it stands still and too many are held, as
        `broken_pipe` once nobody reads, as `closed` after `close` or without standard output.
        """
        if not lines:
            return
        if self._is_closed or (self._stream is None and sys.stdout is None):
            self._backlog.refuse("closed", len(lines))
            return
        if self._is_broken:
            self._backlog.refuse("broken_pipe", len(lines))
            return
        self._backlog.take(lines)
        self._bring(0.0)
        if self._backlog.size > MAX_HELD_BYTES:
            self._bring(self._patience, MAX_HELD_BYTES)
            self._backlog.trim("reader_stalled", begun=self._begun > 0)

    def flush(self) -> None:
        """Write all, as long as the reader goes on reading."""
        self._bring(self._patience)

    def retry(self) -> None:
        """Write what the reader takes by now."""
        self._bring(0.0)

    def reopen(self) -> None:
        """Try again after a reader went away."""
        self._is_broken = False

    def close(self) -> None:
        """Write what is held or count it as dropped; standard output stays open."""
        if self._is_closed:
            return
        self.flush()
        self._backlog.clear("reader_stalled")
        self._backlog.settle()
        self._is_closed = True

    def _bring(self, patience: float, limit: int = 0) -> None:
        """Write until at most `limit` bytes are held or nothing was taken for `patience` s.

        A reader that stands still is not waited for again before it has taken something.
        """
        lines = self._backlog.lines
        until = self._monotonic() + patience
        try:
            while lines and (not limit or self._backlog.size > limit):
                left = 0.0 if self._is_stalled else until - self._monotonic()
                if self._write_some(max(left, 0.0)):
                    self._is_stalled = False
                    until = self._monotonic() + patience
                elif left <= 0.0:
                    self._is_stalled = self._is_stalled or patience > 0.0
                    return
        except (OSError, ValueError) as error:
            self._is_broken = True
            self._begun = 0
            log.warning("sink_failed", sink=self.name, reason="broken_pipe", error=str(error))
            self._backlog.clear("broken_pipe")

    def _write_some(self, wait: float) -> bool:
        """Write what is taken without waiting; whether that was anything.

        Args:
            wait: Seconds until it has to be taken.
        """
        stream = sys.stdout.buffer if self._stream is None else self._stream
        lines = self._backlog.lines
        descriptor = _descriptor(stream)
        if descriptor is None:
            stream.write(b"\n".join((*lines, b"")))
            stream.flush()
            self._backlog.passes(len(lines))
            return True
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        if not poll.poll(wait * 1000):
            return False
        part = (lines[0] + b"\n")[self._begun : self._begun + select.PIPE_BUF]
        try:
            self._begun += os.write(descriptor, part)
        except BlockingIOError:
            time.sleep(min(wait, _PAUSE))
            return False
        if self._begun > len(lines[0]):
            self._begun = 0
            self._backlog.passes(1)
        return True


def _descriptor(stream: BinaryIO) -> int | None:
    """The file behind a stream with nothing left in the stream, None where there is none."""
    try:
        descriptor = stream.fileno()
    except OSError:
        return None
    stream.flush()
    return descriptor
