"""Thresholds from the tail of a background's scores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

TAIL_SHARE = 0.05
"""Share of the background that counts as its tail."""

MIN_TAIL = 30
"""Fewer tail scores than this are not fitted; the highest score stands in."""

SHAPE_LIMITS = (-0.2, 0.25)
"""Limits of the fitted shape: a score is bounded, so tails heavier than these are those of a few
odd flows, and extrapolating them would put a threshold beyond any score."""

NEAR = 0.25
"""Quantile of the support's held-out scores that stands for the threat."""


def pack_threshold(
    ground: npt.NDArray[np.floating],
    counter: npt.NDArray[np.floating],
    held_out: npt.NDArray[np.floating],
    rate: float,
) -> float:
    """The threshold of a pack.

    It lies at or above the score that a share `rate` of the background would exceed and above all
    counter-examples. Where the threat's own flows, each scored by a head that did not see it, lie
    still higher, there is a gap in which nothing is known: the middle has the largest margin.

    Args:
        ground: [m] scores of the background, m ≥ 1.
        counter: [c] scores of the counter-examples, c ≥ 0.
        held_out: [k] held-out scores of the support, k ≥ 1.
        rate: Target share of flows over the threshold.

    Returns:
        The threshold, in units of the score.
    """
    floor = max(tail_threshold(ground, rate), float(counter.max(initial=-np.inf)))
    near = float(np.quantile(held_out, NEAR))
    return (floor + near) / 2.0 if near > floor else floor


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
