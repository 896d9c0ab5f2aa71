"""Alerts that wait for their place: bounded, counted, and every loss logged."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import structlog

from metatap.counters import Counters

MAX_HELD_BYTES = 32 * 2**20
"""Alerts held in memory, at most; the oldest go first."""

LOG_EVERY_S = 60.0
"""Losses for one reason are logged at once, then once in this time, with their sum."""

log = structlog.get_logger(__name__)


class Backlog:
    """A queue of lines.

    Attributes:
        lines: Those that wait, the oldest first.
        size: Their bytes.
    """

    def __init__(self, sink: str, alerts: Counters, monotonic: Callable[[], float]) -> None:
        """An empty queue.

        Args:
            sink: Name of the sink, for the log.
            alerts: Where they are counted.
            monotonic: Clock of the log's pauses, s.
        """
        self.lines: deque[bytes] = deque()
        self.size = 0
        self._sink = sink
        self._alerts = alerts
        self._monotonic = monotonic
        self._logged: dict[str, tuple[float, int]] = {}

    def take(self, lines: Sequence[bytes]) -> None:
        """Queue lines."""
        self.lines.extend(lines)
        self.size += sum(map(len, lines))
        self._alerts.received += len(lines)

    def passes(self, lines: int) -> None:
        """The oldest lines are in their place."""
        for _ in range(lines):
            self.size -= len(self.lines.popleft())
        self._alerts.passed += lines

    def trim(self, reason: str, *, begun: bool = False) -> None:
        """Drop the oldest lines over the bound.

        Args:
            reason: Why they can't be written.
            begun: The oldest line is written in part and has to be ended.
        """
        first = self.lines.popleft() if begun else None
        dropped = 0
        while self.lines and self.size > MAX_HELD_BYTES:
            self.size -= len(self.lines.popleft())
            dropped += 1
        if first is not None:
            self.lines.appendleft(first)
        self._drop(reason, dropped)

    def clear(self, reason: str) -> None:
        """Drop all."""
        dropped = len(self.lines)
        self.lines.clear()
        self.size = 0
        self._drop(reason, dropped)

    def refuse(self, reason: str, lines: int) -> None:
        """Drop lines that were not queued."""
        self._alerts.received += lines
        self._drop(reason, lines)

    def settle(self) -> None:
        """Log the losses that are not yet logged."""
        for reason, (_, held_back) in self._logged.items():
            if held_back:
                log.warning("alerts_dropped", sink=self._sink, reason=reason, alerts=held_back)
        self._logged.clear()

    def _drop(self, reason: str, lines: int) -> None:
        """Count lines that were received as dropped."""
        if not lines:
            return
        self._alerts.dropped[reason] = self._alerts.dropped.get(reason, 0) + lines
        now = self._monotonic()
        last, held_back = self._logged.get(reason, (now - LOG_EVERY_S, 0))
        if now - last < LOG_EVERY_S:
            self._logged[reason] = last, held_back + lines
            return
        self._logged[reason] = now, 0
        log.warning("alerts_dropped", sink=self._sink, reason=reason, alerts=held_back + lines)
