"""When each flow is due: phases of a steady rate, one after the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Phases of traffic.

    Attributes:
        phases: (flows a second, seconds) of each.
    """

    phases: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        if not self.phases or any(rate <= 0 or seconds <= 0 for rate, seconds in self.phases):
            raise ValueError(f"{self.phases}: each phase needs a rate and a time above 0")

    @property
    def seconds(self) -> float:
        """How long all of it takes."""
        return float(self._at()[0][-1])

    @property
    def flows(self) -> int:
        """Flows in all."""
        return int(self._at()[1][-1])

    def due(self, numbers: npt.ArrayLike) -> Floats:
        """Seconds from the start at which flows are told, by number; float64 as `numbers`.

        Beyond the last phase its rate goes on.
        """
        seconds, flows = self._at()
        wanted = np.asarray(numbers, np.float64)
        over = np.maximum(wanted - flows[-1], 0.0) / self.phases[-1][0]
        return np.asarray(np.interp(wanted, flows, seconds) + over)

    def told(self, seconds: npt.ArrayLike) -> Floats:
        """Flows that are due by then, the inverse of `due`; none are after the end."""
        times, flows = self._at()
        return np.asarray(np.interp(np.asarray(seconds, np.float64), times, flows))

    def rate(self, number: int) -> float:
        """Flows a second at a flow."""
        at = int(self._at()[1][1:].searchsorted(number, "right"))
        return self.phases[min(at, len(self.phases) - 1)][0]

    def _at(self) -> tuple[Floats, Floats]:
        """Seconds and flows at the start and after each phase, float64 [p + 1] each."""
        rates, lengths = np.array(self.phases, np.float64).T
        seconds = np.concatenate([[0.0], np.cumsum(lengths)])
        return seconds, np.concatenate([[0.0], np.cumsum(rates * lengths)])
