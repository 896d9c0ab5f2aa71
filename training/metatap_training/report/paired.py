"""Two methods on the same draws of the same cells: ratios, intervals, tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from metatap_training.report.results import Floats, Mask, Results, mean_known

Interval = tuple[float, float]

ROUNDS = 10_000


@dataclass(frozen=True)
class Pair:
    """Cells that two methods share.

    Attributes:
        rows: intp [C], a row of each cell in the results it came from.
        own: float64 [C], mean TPR of the first over the draws both have.
        peer: float64 [C], of the second.
        gap: float64 [C, D], first less second by draw; NaN where one has no such draw.
    """

    rows: npt.NDArray[np.intp]
    own: Floats
    peer: Floats
    gap: Floats


def common(results: Results, own: str, peer: str) -> Pair:
    """Cells and draws of both methods."""
    first, second = results.matrix(own), results.matrix(peer)
    gap = first - second
    shared = ~np.isnan(gap)
    cells = shared.any(1)
    own_mean = mean_known(np.where(shared, first, np.nan)[cells], 1)
    peer_mean = mean_known(np.where(shared, second, np.nan)[cells], 1)
    return Pair(results.first[cells], own_mean, peer_mean, gap[cells])


def ratio_of(own: float, peer: float) -> float:
    """own / peer; 1 if both are zero."""
    if peer > 0:
        return own / peer
    return 1.0 if own <= 0 else float("inf")


def ratio_interval(own: Floats, peer: Floats, seed: int = 0, rounds: int = ROUNDS) -> Interval:
    """95 % percentile interval of mean(own) / mean(peer), pairs resampled with replacement.

    Args:
        own: float64 [n], n ≥ 1, each ≥ 0.
        peer: float64 [n], the other half of each pair.
        seed: Of the resampling.
        rounds: Resamples.
    """
    picks = np.random.default_rng(seed).integers(len(own), size=(rounds, len(own)))
    above, below = own[picks].mean(1), peer[picks].mean(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(below > 0, above / below, np.where(above > 0, np.inf, 1.0))
    low, high = np.quantile(ratio, [0.025, 0.975], method="inverted_cdf")
    return float(low), float(high)


def behind(pair: Pair, positives: npt.NDArray[np.int64]) -> Floats:
    """float64 [C], one-sided p of each cell for “the first finds no fewer than the second”.

    A normal test of the mean gap. With several draws its variance is that between draws and that of
    a paired share of so many positives (McNemar's, when all that differ differ one way) together,
    for draws share their positives; with one draw that of two independent shares. Few draws make
    it find more than a t-test would, to the first's disadvantage.

    Args:
        pair: Cells of both methods.
        positives: int64 [C].
    """
    draws = (~np.isnan(pair.gap)).sum(1)
    gap = mean_known(pair.gap, 1)
    squares = np.where(np.isnan(pair.gap), 0.0, pair.gap - gap[:, None]) ** 2
    between = squares.sum(1) / np.maximum(draws - 1, 1) / draws
    size = np.abs(gap)
    sampled = (size * (1 - size) + 1 / positives) / positives
    apart = (pair.own * (1 - pair.own) + pair.peer * (1 - pair.peer) + 1 / positives) / positives
    error = np.sqrt(np.where(draws > 1, between + sampled, apart))
    return np.asarray(stats.norm.cdf(gap / error), np.float64)


def holm(p: Floats, level: float = 0.05) -> Mask:
    """bool [n]: which hypotheses fall at a family-wise level (Holm, Scand. J. Stat. 1979).

    Args:
        p: float64 [n].
        level: Chance of one or more false rejections.
    """
    order = np.argsort(p, kind="stable")
    kept = p[order] > level / np.arange(len(p), 0, -1)
    stop = int(np.argmax(kept)) if kept.any() else len(p)
    rejected = np.zeros(len(p), np.bool_)
    rejected[order[:stop]] = True
    return rejected
