"""How many records a receiver takes in one request."""

from __future__ import annotations

from collections.abc import Sequence


class Fitting:
    """The size of requests: halved when one was too much, doubled again as they succeed."""

    def __init__(self, most: int, max_bytes: int) -> None:
        """The size of the first request.

        Args:
            most: Records, at most.
            max_bytes: Bytes, at most; a record alone may have more.
        """
        self._most = most
        self._max_bytes = max_bytes
        self._limit = most

    def count(self, parts: Sequence[bytes]) -> int:
        """How many of the first parts go into one request, one or more unless there are none."""
        size = 0
        for at, part in enumerate(parts[: self._limit]):
            size += len(part)
            if size > self._max_bytes and at:
                return at
        return min(len(parts), self._limit)

    def was_too_much(self, sent: int) -> None:
        """A request of so many records was refused for its size or for one of its records."""
        self._limit = max(sent // 2, 1)

    def was_good(self) -> None:
        """A request was taken."""
        self._limit = min(2 * self._limit, self._most)
