"""Traffic time: how long the network has been watched, in ns, gaps left out.

Rates are per day of it. A sensor that was off for a week, a clock that was set and a flow with a
wrong `ts` do not age what is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

MAX_GAP = 15 * MINUTE
"""ns; a longer pause counts as this much."""


@dataclass(slots=True)
class TrafficClock:
    """A clock moved by flows.

    Attributes:
        now: Traffic time, ns since the clock began.
    """

    now: int = 0
    _last: int | None = None

    def advance(self, ends: npt.NDArray[np.int64]) -> int:
        """Move on to the median end of a batch's flows.

        Args:
            ends: int64 [n], ns since the epoch; n ≥ 1.

        Returns:
            Traffic time.
        """
        middle = len(ends) // 2
        end = int(np.partition(ends, middle)[middle])
        if self._last is None:
            self._last = end
        elif end > self._last:
            self.now += min(end - self._last, MAX_GAP)
            self._last = end
        elif end < self._last - MAX_GAP:
            self._last = end
        return self.now
