"""Figures of one problem from its scores, or of several networks pooled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metatap.offline.bootstrap import Weighted, percentiles
from metatap.offline.metrics import allowed_at, auprc, threshold_at, tpr_at
from metatap_training.bench.budget import at_budget
from metatap_training.bench.calibration import adaptive_ece
from metatap_training.bench.problem import Problem, Scores

RATE = 1e-3
POOLED_RATE = 1e-4
PREVALENCE = 0.01
"""Share of positives that AUPRC and precision are stated at."""

GRID = np.logspace(-4, 0, 25)
"""False-positive rates of the curves."""

ROUNDS = 200
"""Draws of hosts for an interval."""

LEAST_HOSTS = 2
"""Originators of positives that an interval needs."""

Floats = npt.NDArray[np.float64]
Figures = dict[str, float | list[float] | None]


@dataclass(frozen=True, slots=True)
class Found:
    """Scores of one network, apart.

    Attributes:
        background: float64 [m].
        positive: float64 [q].
        negative: float64 [n].
    """

    background: Floats
    positive: Floats
    negative: Floats

    @classmethod
    def of(cls, problem: Problem, scores: Scores) -> Found:
        """The parts of a problem's scores."""
        positive, negative = np.split(scores.queries, [problem.positives])
        return cls(scores.background, positive, negative)


def figures(problem: Problem, scores: Scores) -> Figures:
    """TPR at FPR 1e-3 both ways, AUPRC, what a budget of alerts finds, calibration.

    `tpr` reads the threshold on the negatives, `tpr_background` on the background, before a query
    is seen; `fpr_background` is what that comes to.
    """
    found = Found.of(problem, scores)
    threshold = threshold_at(found.background, RATE)
    chance, q = scores.chance, problem.positives
    return {
        "tpr": tpr_at(found.positive, found.negative, RATE),
        "tpr_background": float((found.positive > threshold).mean()),
        "fpr_background": float((found.negative > threshold).mean()),
        "auprc": auprc(found.positive, found.negative, PREVALENCE),
        **at_budget(found.positive, found.negative, problem.hosts[q:], PREVALENCE),
        "ece": None if chance is None else adaptive_ece(chance[:q], chance[q:]),
    }


def pooled(found: Sequence[Found]) -> Found:
    """Scores of several networks as one.

    Scores of a network are taken relative to its own background threshold at 1e-3, so that one
    threshold means the same in all of them.
    """
    level = [threshold_at(one.background, RATE) for one in found]
    parts = (
        np.concatenate([getattr(one, part) - at for one, at in zip(found, level, strict=True)])
        for part in ("background", "positive", "negative")
    )
    return Found(*parts)


def pooled_figures(one: Found) -> Figures:
    """TPR at FPR 1e-3 and 1e-4 over several networks, both ways; AUPRC.

    With fewer than 10,000 flows to read a threshold on, 1e-4 allows none of them.
    """
    fixed = threshold_at(one.background, POOLED_RATE)
    return {
        "tpr": tpr_at(one.positive, one.negative, RATE),
        "tpr_background": float((one.positive > 0).mean()),
        "fpr_background": float((one.negative > 0).mean()),
        "auprc": auprc(one.positive, one.negative, PREVALENCE),
        "tpr_1e4": tpr_at(one.positive, one.negative, POOLED_RATE),
        "tpr_background_1e4": float((one.positive > fixed).mean()),
        "fpr_background_1e4": float((one.negative > fixed).mean()),
    }


def curve(one: Found) -> list[float]:
    """TPR at each rate of `GRID`; at a rate of 1 everything is found."""
    ordered, size = np.sort(one.negative), len(one.negative)
    allowed = np.array([allowed_at(size, rate) for rate in GRID])
    found = np.sort(one.positive)
    above = len(found) - np.searchsorted(
        found, ordered[size - 1 - allowed.clip(max=size - 1)], "right"
    )
    rates: list[float] = np.where(allowed < size, above / len(found), 1.0).tolist()
    return rates


def host_interval(problem: Problem, scores: Scores) -> tuple[float, float] | None:
    """95 % interval of TPR at FPR 1e-3 over other hosts of the kind.

    None where hosts can't tell: the positives are of one originator, so that another one is never
    drawn, or every draw of hosts comes to the same figure.
    """
    names, host = np.unique(problem.hosts, return_inverse=True)
    q = problem.positives
    if len(np.unique(host[:q])) < LEAST_HOSTS:
        return None
    weighted = Weighted(
        system=scores.queries.astype(np.float32),
        alerted=np.zeros(len(host), np.bool_),
        host=host.astype(np.int32),
        benign=np.arange(q, len(host)),
        sets=[np.arange(q)],
        rate=RATE,
    )
    point = weighted.figures(np.ones(len(names))).tpr[0]
    drawn = weighted.rounds(len(names), ROUNDS, seed=problem.seed).tpr[:, 0]
    return percentiles(drawn, float(point))
