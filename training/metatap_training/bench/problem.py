"""`Problem`: what a method is given in one draw; `Answer`, `Scores`: what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from metatap_training.datasets.flows import FloatArray, IntArray, TextArray
from metatap_training.preprocess import Scaling

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Services:
    """Services of a problem's flows, `tcp/22`: for the port-only baseline, for nothing else.

    Attributes:
        support: str [k].
        background: str [m].
        queries: str [q + n].
    """

    support: TextArray
    background: TextArray
    queries: TextArray


@dataclass(frozen=True, slots=True)
class Problem:
    """One draw in one network.

    Columns that one of its networks lacks are absent from all of its flows.

    Attributes:
        support: float32 [k, F], raw features of the threat's examples; NaN = absent.
        background: float32 [m, F], benign flows of the network, earlier than the queries.
        queries: float32 [q + n, F], positives, then negatives.
        positives: q.
        services: See `Services`.
        hosts: intp [q + n], originators, numbered over all captures; to resample by and to count
            alerts.
        seed: Of a method's own randomness.
        ground_hosts: intp [m], originators of the background, numbered likewise.
    """

    support: FloatArray
    background: FloatArray
    queries: FloatArray
    positives: int
    services: Services
    hosts: IntArray
    seed: int
    ground_hosts: IntArray

    def scaled(self, scaling: Scaling) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Support, background and queries, normalised; what is absent stands at the mean."""
        parts = (self.support, self.background, self.queries)
        support, background, queries = (scaling.apply(part) for part in parts)
        return support, background, queries

    def about_background(self, known: Mask, asked: Mask) -> Problem:
        """A part of the background as queries to a method that knows another part.

        Args:
            known: bool [m], the part that is background.
            asked: bool [m], the part that is asked about.
        """
        services = Services(
            self.services.support,
            self.services.background[known],
            self.services.background[asked],
        )
        return replace(
            self,
            background=self.background[known],
            queries=self.background[asked],
            positives=0,
            services=services,
            hosts=self.ground_hosts[asked],
            ground_hosts=self.ground_hosts[known],
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What a method says of a problem's queries; higher is more like the support.

    Attributes:
        queries: float64 [q + n], scores.
        chance: float64 [q + n], chance of a positive were both as frequent; None if the method
            states none.
    """

    queries: Floats
    chance: Floats | None = None


@dataclass(frozen=True, slots=True)
class Scores:
    """An answer, and what the method says of background it does not know (`crossfit`).

    Attributes:
        background: float64 [m].
        queries: float64 [q + n].
        chance: As in `Answer`.
    """

    background: Floats
    queries: Floats
    chance: Floats | None = None
