"""Thresholds from the tail of a background's scores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

TAIL_SHARE = 0.05
"""Share of the background that counts as its tail."""

MIN_TAIL = 30
"""Fewer tail scores than this are not fitted; the highest score stands in."""

SHAPE_LIMITS = (-0.2, 0.5)
"""Limits of the fitted shape: below, the tail ends too soon; above, it has no variance."""


def tail_threshold(scores: npt.NDArray[np.floating], rate: float) -> float:
    """The score that a share `rate` of the background would exceed.

    A generalised Pareto distribution is fitted to the scores over the 95th percentile by
    probability-weighted moments (Hosking & Wallis 1987, "Parameter and Quantile Estimation for the
    Generalized Pareto Distribution") and extrapolated; the result is never below the empirical
    quantile.

    Args:
        scores: [m] scores of benign flows, m ≥ 1.
        rate: Target share of flows over the threshold, 0 < rate < 1.

    Returns:
        The threshold, in units of the score.
    """
    ordered = np.sort(np.asarray(scores, np.float64))
    empirical = float(np.quantile(ordered, 1.0 - rate))
    tail = ordered[ordered.size - int(ordered.size * TAIL_SHARE) :]
    if tail.size < MIN_TAIL or rate >= TAIL_SHARE:
        return max(empirical, float(ordered[-1])) if rate < 1.0 / ordered.size else empirical
    start = float(ordered[ordered.size - tail.size - 1])
    excess = tail - start
    ranks = (np.arange(1, tail.size + 1) - 0.35) / tail.size
    first, second = float(excess.mean()), float(((1.0 - ranks) * excess).mean())
    if first <= 0.0:
        return empirical
    slack = first - 2.0 * second
    shape = 2.0 - first / slack if slack > 0.0 else SHAPE_LIMITS[1]
    shape = float(np.clip(shape, *SHAPE_LIMITS))
    scale = first * (1.0 - shape)
    odds = tail.size / ordered.size / rate
    beyond = scale * np.log(odds) if abs(shape) < 1e-6 else scale / shape * (odds**shape - 1.0)
    return max(empirical, start + float(beyond))
