"""Logging what happens often once in a while, with its sum."""

from __future__ import annotations

import time
from collections.abc import Callable

from metatap.sinks.backlog import LOG_EVERY_S

_MAX_CAUSES = 100


class Seldom:
    """Tells when a cause is to be logged: at once, then once in `LOG_EVERY_S`."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._causes: dict[str, tuple[float, int]] = {}

    def due(self, cause: str, times: int = 1) -> int:
        """How often it happened since it was logged last; 0: it is not to be logged now."""
        now = self._monotonic()
        last, held_back = self._causes.get(cause, (now - LOG_EVERY_S, 0))
        if now - last < LOG_EVERY_S:
            self._causes[cause] = last, held_back + times
            return 0
        if len(self._causes) >= _MAX_CAUSES:
            self._causes.clear()
        self._causes[cause] = now, 0
        return held_back + times
