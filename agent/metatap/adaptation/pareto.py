"""Beyond what was seen: the level that is exceeded more rarely than anything so far.

Excesses over a high level follow a generalised Pareto distribution (Balkema & de Haan 1974;
Pickands 1975). It is fitted by probability-weighted moments, which are steady with few excesses
(Hosking & Wallis, "Parameter and quantile estimation for the generalized Pareto distribution",
Technometrics 1987); the level is read from it as SPOT does (Siffer et al., "Anomaly detection in
streams with extreme value theory", KDD 2017).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SHAPE_MOST = 0.5
"""Of the shape's absolute value. Scores are bounded: a heavier tail is a fit gone wrong."""

FIT_LEAST = 10
"""Excesses for a shape to be fitted; with fewer the tail is taken as exponential."""


def level(scores: npt.NDArray[np.floating], count: float) -> float:
    """The level that `count` values would exceed in as much traffic as gave these scores.

    Args:
        scores: [k + 1], the highest ones in falling order, k ≥ 1; the last is the level that the
            others exceed.
        count: How many values may exceed it, 0 < count ≤ k.

    Returns:
        A level at or above the last score.
    """
    base = float(scores[-1])
    excesses = np.sort(np.asarray(scores[:-1], np.float64)) - base
    shape, scale = fit(excesses)
    ratio = len(excesses) / count
    if abs(shape) < 1e-6:
        return base + scale * float(np.log(ratio))
    return base + scale / shape * float(ratio**shape - 1.0)


def fit(excesses: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Shape and scale of a generalised Pareto distribution.

    Args:
        excesses: float64 [k], ascending, ≥ 0; k ≥ 1.
    """
    count = len(excesses)
    mean = float(excesses.mean())
    if count < FIT_LEAST or mean <= 0.0:
        return 0.0, mean
    part = (np.arange(1, count + 1) - 0.35) / count
    weighted = float(((1.0 - part) * excesses).mean())
    between = mean - 2.0 * weighted
    if between <= 0.0:
        return 0.0, mean
    shape = float(np.clip(2.0 - mean / between, -SHAPE_MOST, SHAPE_MOST))
    return shape, mean * (1.0 - shape)
