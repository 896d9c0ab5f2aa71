"""How far stated chances are from what happens.

Source: Nixon et al., "Measuring Calibration in Deep Learning" (CVPR workshops 2019): adaptive
calibration error, with bins of equal mass.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BINS = 15


def adaptive_ece(
    positive: npt.NDArray[np.float64], negative: npt.NDArray[np.float64], bins: int = BINS
) -> float:
    """Mean gap of chance and share of positives over bins of equal mass.

    Positives and negatives weigh alike as wholes, as the chances are stated.

    Args:
        positive: float64 [q], stated chances of positives, q ≥ 1.
        negative: float64 [n], of negatives, n ≥ 1.
        bins: Number of bins.
    """
    chance = np.concatenate([positive, negative])
    weight = np.r_[
        np.full(len(positive), 0.5 / len(positive)), np.full(len(negative), 0.5 / len(negative))
    ]
    hit = np.r_[weight[: len(positive)], np.zeros(len(negative))]
    order = np.argsort(chance, kind="stable")
    middle = np.cumsum(weight[order]) - weight[order] / 2
    place = np.minimum((middle * bins).astype(np.intp), bins - 1)
    stated = np.bincount(place, (weight * chance)[order], bins)
    seen = np.bincount(place, hit[order], bins)
    return float(np.abs(stated - seen).sum())
