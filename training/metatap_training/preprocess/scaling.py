"""Normalisation, the part that is fitted: it becomes the first nodes of the graph.

log(1 + |x|) of the magnitudes (which are never negative), then (x − mean) / std, clipped; what is
absent stands at the mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metatap.features import Scale, scale_slice
from metatap_training.datasets.flows import FloatArray, Flows, IntArray

CLIP = 3.0
"""Normalised values are cut to ± this many deviations."""

_STD_FLOOR = {Scale.LOG: 0.3, Scale.LINEAR: 0.1, Scale.FLAG: 0.15}
"""A feature that is nearly constant in training must not become an alarm of its own elsewhere."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """Fitted normalisation.

    Attributes:
        mean: float32 [F], of the features after the logarithm.
        std: float32 [F], likewise, with a floor.
    """

    mean: FloatArray
    std: FloatArray

    def apply(self, features: FloatArray) -> FloatArray:
        """Normalised features float32 [n, F]; no NaN."""
        scaled = (_logged(features) - self.mean) / self.std
        return np.where(np.isnan(scaled), 0, np.clip(scaled, -CLIP, CLIP)).astype(np.float32)


def _logged(features: FloatArray) -> FloatArray:
    logged = features.copy()
    block = logged[:, scale_slice(Scale.LOG)]
    logged[:, scale_slice(Scale.LOG)] = np.log1p(np.abs(block))
    return logged


def spread(keys: npt.NDArray[np.str_], limit: int, rng: np.random.Generator) -> IntArray:
    """Positions of at most `limit` random rows of each key, ascending."""
    kept = []
    for key in np.unique(keys):
        rows = np.flatnonzero(keys == key)
        kept.append(rows if len(rows) <= limit else rng.choice(rows, limit, replace=False))
    return np.sort(np.concatenate(kept)) if kept else np.zeros(0, np.intp)


def fit_scaling(flows: Flows, seed: int = 0, per_network: int = 2000) -> Scaling:
    """Mean and deviation of each feature where it is present, networks weighing alike."""
    rows = spread(flows.network, per_network, np.random.default_rng(seed))
    logged = _logged(flows.features[rows]).astype(np.float64)
    present = ~np.isnan(logged)
    count = np.maximum(present.sum(0), 1)
    mean = np.where(present, logged, 0).sum(0) / count
    std = np.sqrt(np.where(present, (logged - mean) ** 2, 0).sum(0) / count)
    for scale, floor in _STD_FLOOR.items():
        std[scale_slice(scale)] = np.maximum(std[scale_slice(scale)], floor)
    return Scaling(mean.astype(np.float32), std.astype(np.float32))
