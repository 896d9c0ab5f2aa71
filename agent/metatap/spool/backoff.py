"""How long to leave a receiver alone that takes nothing."""

from __future__ import annotations

from random import Random

BASE_S = 0.5
CAP_S = 60.0

MAX_RETRY_AFTER_S = 3_600.0
"""Seconds that a receiver may ask for, at most."""

_DOUBLINGS = 16


class Backoff:
    """Exponential pauses with full jitter.

    M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: of the variants it
    has the least work for receiver and clients.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._failures = 0

    def failed(self, retry_after: float | None = None) -> float:
        """Seconds to wait after one more failure.

        Args:
            retry_after: Seconds that the receiver asked for, None if it did not ask.
        """
        ceiling = min(CAP_S, BASE_S * 2.0 ** min(self._failures, _DOUBLINGS))
        self._failures += 1
        pause = self._random.uniform(0.0, ceiling)
        if retry_after is None or not retry_after > 0.0:
            return pause
        return max(pause, min(retry_after, MAX_RETRY_AFTER_S))

    def succeeded(self) -> None:
        """The next failure is a first one."""
        self._failures = 0
