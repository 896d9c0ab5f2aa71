"""Neighbourhood tasks: find the flows that are near to an example in a metric drawn at random.

They keep the trunk general. Threats to learn from are few, and a trunk that saw only these forgets
what no training threat needed; a task made from any flow and a random weighting of the columns asks
for every kind of nearness there is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metatap_training.datasets.flows import FloatArray, IntArray

KEPT = 0.5
"""Chance that a metric looks at a column at all."""

SPREAD = 0.7
"""Deviation of the logarithm of a column's weight."""

BORDER = 1.15
"""Flows farther than this many radii are negatives; those between are neither."""


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """One task.

    Attributes:
        inside: intp [p], rows within the radius, nearest first.
        border: Squared distance from which on rows are negatives.
        anchor: float32 [F], weighted features of the anchor.
        weights: float32 [F], of the metric.
    """

    inside: IntArray
    border: float
    anchor: FloatArray
    weights: FloatArray

    def near(self, rows: FloatArray) -> npt.NDArray[np.bool_]:
        """bool [n], rows (normalised features [n, F]) that are no negatives."""
        distance = ((rows * self.weights - self.anchor) ** 2).sum(1)
        return np.asarray(distance < self.border)


def draw_neighbourhood(
    scaled: FloatArray,
    candidates: IntArray,
    columns_absent: IntArray,
    wanted: int,
    rng: np.random.Generator,
) -> Neighbourhood:
    """A task around a random candidate.

    Args:
        scaled: float32 [n, F], normalised features of all flows.
        candidates: intp [c], rows the anchor and its neighbours come from.
        columns_absent: intp, columns the episode takes away; the metric must not look at them.
        wanted: Rows within the radius.
        rng: Source of chance.
    """
    width = scaled.shape[1]
    weights = np.exp(rng.normal(0, SPREAD, width)) * (rng.random(width) < KEPT)
    weights[columns_absent] = 0
    weights = weights.astype(np.float32)
    rows = scaled[candidates] * weights
    anchor = rows[int(rng.integers(len(rows)))]
    distance = ((rows - anchor) ** 2).sum(1)
    nearest = np.argpartition(distance, wanted)[:wanted]
    nearest = nearest[np.argsort(distance[nearest], kind="stable")]
    border = float(distance[nearest[-1]]) * BORDER**2 + 1e-3
    return Neighbourhood(candidates[nearest], border, anchor, weights)
