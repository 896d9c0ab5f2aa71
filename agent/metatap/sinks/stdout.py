"""Alerts on standard output."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import BinaryIO

import structlog

from metatap.counters import Counters

log = structlog.get_logger(__name__)


class StdoutSink:
    """Writes each batch at once; a reader that went away costs the alerts, not the agent."""

    def __init__(self, stream: BinaryIO | None = None) -> None:
        """A sink on standard output.

        Args:
            stream: Another stream to write to; it is not closed.
        """
        self.name = "stdout"
        self.alerts = Counters()
        self._stream = stream
        self._is_closed = False
        self._is_broken = False

    def write(self, lines: Sequence[bytes]) -> None:
        """Write alerts; dropped as `broken_pipe` once nobody reads, as `closed` after `close`."""
        if not lines:
            return
        if self._is_closed or self._is_broken:
            self.alerts.drop("closed" if self._is_closed else "broken_pipe", len(lines))
            return
        stream = self._stream if self._stream is not None else sys.stdout.buffer
        try:
            stream.write(b"\n".join((*lines, b"")))
            stream.flush()
        except (OSError, ValueError) as error:
            self._is_broken = True
            self.alerts.drop("broken_pipe", len(lines))
            log.warning("sink_failed", sink=self.name, reason=str(error))
        else:
            self.alerts.passes(len(lines))

    def flush(self) -> None:
        """Nothing is held back."""

    def reopen(self) -> None:
        """Try again after a reader went away."""
        self._is_broken = False

    def close(self) -> None:
        """Take no more alerts; standard output stays open."""
        self._is_closed = True
