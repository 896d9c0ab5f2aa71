"""What is measured from scores of positives and negatives. Higher scores are more alike."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.floating]

_NORMAL_95 = 1.959963984540054
"""Quantile 0.975 of the normal distribution."""


def threshold_at(negative: Scores, rate: float) -> float:
    """The lowest threshold that at most a share `rate` of the negatives exceeds.

    A flow is found when its score is greater than the threshold, so ties count against the finder.

    Args:
        negative: [M], scores of negatives, M ≥ 1.
        rate: False-positive rate, 0 ≤ rate < 1.
    """
    allowed = allowed_at(len(negative), rate)
    return float(np.partition(negative, -allowed - 1)[-allowed - 1])


def allowed_at(negatives: float, rate: float) -> int:
    """How many of so many negatives may exceed the threshold of a false-positive rate."""
    return math.floor(rate * negatives + 1e-9)


def tpr_at(positive: Scores, negative: Scores, rate: float) -> float:
    """Share of the positives found at false-positive rate `rate`, read on these negatives."""
    return float((positive > threshold_at(negative, rate)).mean())


def auprc(positive: Scores, negative: Scores, prevalence: float) -> float:
    """Area under the precision-recall curve (average precision) at a stated prevalence.

    Positives and negatives are weighted as if the positives were a share `prevalence` of all flows.
    """
    scores = np.concatenate([positive, negative])
    hit = np.r_[np.full(len(positive), prevalence / len(positive)), np.zeros(len(negative))]
    miss = np.r_[np.zeros(len(positive)), np.full(len(negative), (1 - prevalence) / len(negative))]
    order = np.argsort(-scores, kind="stable")
    last = np.r_[scores[order][1:] != scores[order][:-1], True]
    found, wrong = np.cumsum(hit[order])[last], np.cumsum(miss[order])[last]
    steps = np.diff(np.r_[0.0, found / prevalence])
    return float((steps * found / np.maximum(found + wrong, 1e-30)).sum())


def bootstrap_mean(
    values: npt.NDArray[np.floating], seed: int = 0, rounds: int = 10_000, level: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of the mean of [n] values, resampled with replacement."""
    rng = np.random.default_rng(seed)
    means = rng.choice(values, (rounds, len(values))).mean(1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def wilson(hits: float, total: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of independent trials (Wilson, JASA 1927).

    Args:
        hits: Trials that succeeded; need not be a whole number.
        total: Trials, ≥ 1.
    """
    share, z2 = hits / total, _NORMAL_95**2
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = math.sqrt(share * (1 - share) / total + z2 / (4 * total**2)) / (1 + z2 / total)
    half *= _NORMAL_95
    return max(min(middle - half, share), 0.0), min(max(middle + half, share), 1.0)
