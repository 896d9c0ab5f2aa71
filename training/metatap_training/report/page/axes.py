"""Axes of the drawings: values → a place between 0 and 1."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

_PROBIT = NormalDist().inv_cdf


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes:
        label: What it measures.
        low: Least value shown; smaller ones are drawn there.
        high: Greatest value shown.
        ticks: (value, text).
        scale: Monotonic function the axis is linear in.
    """

    label: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    scale: Callable[[float], float] = float

    def place(self, value: float) -> float:
        """Where a value lies: 0 at `low`, 1 at `high`."""
        low, high = self.scale(self.low), self.scale(self.high)
        return (self.scale(min(max(value, self.low), self.high)) - low) / (high - low)


def _percent(*values: float) -> tuple[tuple[float, str], ...]:
    return tuple((value, f"{value:.6g}") for value in values)


def share(label: str) -> Axis:
    """0 to 1, linear."""
    return Axis(label, 0.0, 1.0, _percent(0, 0.2, 0.4, 0.6, 0.8, 1))


def rate(label: str, low: float = 1e-4, high: float = 1.0) -> Axis:
    """A rate on a logarithmic axis, with a tick a decade."""
    powers = range(round(math.log10(low)), round(math.log10(high)) + 1)
    names = {0: "1", -1: "0.1", -2: "0.01"}
    ticks = tuple((10.0**power, names.get(power, f"1e{power}")) for power in powers)
    return Axis(label, low, high, ticks, math.log10)


def probit(label: str, low: float, high: float, *ticks: float) -> Axis:
    """Normal deviates, as DET curves have (Martin et al., Eurospeech 1997)."""
    names = tuple((tick, f"{tick:.6g}" if tick >= 1e-3 else f"{tick:.0e}".replace("e-0", "e-"))
                  for tick in ticks)  # fmt: skip
    return Axis(label, low, high, names, _PROBIT)


def steps(label: str, values: tuple[int, ...]) -> Axis:
    """A few counts on a logarithmic axis."""
    low, high = 0.8 * values[0], 1.25 * values[-1]
    return Axis(label, low, high, tuple((v, str(v)) for v in values), math.log)


def fitted(label: str, low: float, high: float) -> Axis:
    """A linear axis without ticks, with a little room at both ends."""
    room = 0.04 * (high - low) or 1.0
    return Axis(label, low - room, high + room, ())
