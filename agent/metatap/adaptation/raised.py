"""How many alerts there were in the last day of traffic."""

from __future__ import annotations

from collections import deque

from metatap.adaptation.clock import DAY, HOUR


class Raised:
    """Counts of the last day, by the hour of traffic."""

    def __init__(self, begin: int | None = None) -> None:
        """Nothing is counted yet.

        Args:
            begin: Traffic time the watch began at, ns; None: that of the first `watch`.
        """
        self._hours: deque[tuple[int, int]] = deque(maxlen=DAY // HOUR)
        self._begin = begin

    def watch(self, now: int) -> None:
        """Flows are seen at a traffic time (ns): from the first one on, silence counts too."""
        if self._begin is None:
            self._begin = now

    def add(self, count: int, now: int) -> None:
        """Count alerts at a traffic time (ns)."""
        self.watch(now)
        hour = now // HOUR
        if self._hours and self._hours[-1][0] == hour:
            count += self._hours.pop()[1]
        self._hours.append((hour, count))

    def rate(self, now: int) -> float:
        """Alerts a day; over what was seen if that is less, but at least an hour."""
        if self._begin is None:
            return 0.0
        first = now // HOUR - DAY // HOUR
        total = sum(count for hour, count in self._hours if hour > first)
        return total / max(min((now - self._begin) / DAY, 1.0), HOUR / DAY)
