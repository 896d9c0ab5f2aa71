"""What time it is for the flows."""

from __future__ import annotations

import time
from collections.abc import Callable

from metatap.alerts.group import Times

MAX_AHEAD = 3600 * 10**9
"""ns; a flow that ends later than this after the agent's clock does not move flow time."""


class FlowTime:
    """Flow time and the agent's clock, in ns since the epoch.

    Flow time is the latest end of a flow seen, but never far ahead of the agent's clock. While no
    flow moves it on, it runs with the clock. Before the first flow it is the agent's clock.
    """

    def __init__(
        self,
        clock: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.clock = clock
        self._monotonic = monotonic
        self._latest: int | None = None
        self._moved = 0

    def advance(self, times: Times) -> None:
        """Move on to the latest end in a batch."""
        if not times.timed.any():
            return
        latest = min(int(times.end[times.timed].max()), self.clock() + MAX_AHEAD)
        if self._latest is None or latest > self._latest:
            self._latest = latest
            self._moved = self._monotonic()

    def now(self, *, timed: bool) -> int:
        """Flow time; the agent's clock for flows without `ts`."""
        if not timed or self._latest is None:
            return self.clock()
        return self._latest + self._monotonic() - self._moved
