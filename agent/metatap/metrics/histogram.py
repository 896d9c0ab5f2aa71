"""Counts by size: what a Prometheus histogram is made of."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any


class Histogram:
    """How many values fell between the bounds.

    Attributes:
        bounds: Upper bounds, inclusive, rising; beyond the last one there is one more bucket.
        counts: Values in each bucket alone, one more than bounds.
        total: Sum of all values.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value; one below 0, which only clocks that disagree give, as 0."""
        value = max(0.0, value)
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        return {"bounds": [*self.bounds], "counts": [*self.counts], "sum": self.total}


def quantile(bounds: Sequence[float], counts: Sequence[int], share: float) -> float | None:
    """The value that a share of all values do not exceed, as Prometheus' `histogram_quantile`.

    Args:
        bounds: As `Histogram.bounds`.
        counts: As `Histogram.counts`.
        share: From 0 to 1.

    Returns:
        A value between the bounds of its bucket, in proportion; the last bound where it is beyond
        that. None: there are no values.
    """
    wanted = share * sum(counts)
    below = 0
    lower = 0.0
    for upper, count in zip(bounds, counts, strict=False):
        if count and below + count >= wanted:
            return lower + (upper - lower) * (wanted - below) / count
        below += count
        lower = upper
    return lower if sum(counts) else None
