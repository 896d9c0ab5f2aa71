"""Stated chances against what happens, in bins of equal mass, for methods that state chances.

Positives and negatives of a draw weigh alike as wholes, as the chances are stated (`bench`);
so do draws.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

BINS = 10


@dataclass(frozen=True, slots=True)
class Curve:
    """One method's bins.

    Attributes:
        method: Its name.
        score: Mean stated chance in each bin.
        share: Weighted share of positives in it.
        count: Flows in it.
    """

    method: str
    score: list[float]
    share: list[float]
    count: list[int]

    def entry(self) -> dict[str, object]:
        """As the report reads it."""
        return asdict(self)


def curve(method: str, draws: Iterable[tuple[Floats, int]], bins: int = BINS) -> Curve:
    """The curve of one method.

    Args:
        method: Its name.
        draws: Of each draw the stated chances float64 [q + n], positives first, and q; q and n ≥ 1.
        bins: Bins, of equal mass; those that a run of equal chances leaves empty are not listed.
    """
    found = list(draws)
    chance = np.concatenate([stated for stated, _ in found])
    hit = np.concatenate([np.arange(len(stated)) < q for stated, q in found])
    weight = np.concatenate([_weights(len(stated), q) for stated, q in found]) / len(found)
    order = np.argsort(chance, kind="stable")
    chance, hit, weight = chance[order], hit[order], weight[order]
    middle = np.cumsum(weight) - weight / 2
    place = np.minimum((middle * bins).astype(np.intp), bins - 1)
    mass = np.bincount(place, weight, bins)
    there = mass > 0
    score = np.bincount(place, weight * chance, bins)[there] / mass[there]
    share = np.bincount(place, weight * hit, bins)[there] / mass[there]
    return Curve(
        method,
        [round(float(value), 4) for value in score.clip(0, 1)],
        [round(float(value), 4) for value in share.clip(0, 1)],
        np.bincount(place, minlength=bins)[there].tolist(),
    )


def _weights(flows: int, positives: int) -> Floats:
    weight = np.full(flows, 0.5 / (flows - positives))
    weight[:positives] = 0.5 / positives
    return weight
