"""Means over families with their intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from metatap.offline.metrics import bootstrap_mean
from metatap_training.report.page.model import Value, number, span
from metatap_training.report.results import Floats, Results, by_family, mean_known

_ROUNDS = 2_000


@dataclass(frozen=True)
class Estimate:
    """A mean over families.

    Attributes:
        mean: NaN if nothing was measured.
        low: Lower end of the 95 % bootstrap interval over families; NaN with fewer than two.
        high: Its upper end.
        families: How many.
    """

    mean: float
    low: float
    high: float
    families: int

    def value(self, form: str = ".3f") -> Value:
        """As a table's cell, the interval beside it."""
        return number(self.mean, form, span(self.low, self.high))


def estimate(rows: Results, method: str, name: str = "tpr") -> Estimate:
    """Mean of a column: over draws, then cells, then families."""
    values = cell_means(rows, method, name)
    means = by_family(rows["family"][rows.first], values)
    if not len(means):
        return Estimate(math.nan, math.nan, math.nan, 0)
    ends = bootstrap_mean(means, rounds=_ROUNDS) if len(means) > 1 else (math.nan, math.nan)
    return Estimate(float(means.mean()), *ends, len(means))


def cell_means(rows: Results, method: str, name: str = "tpr") -> Floats:
    """float64 [C]: mean over draws; NaN where the method has none."""
    return mean_known(rows.matrix(method, name), 1)


def mean_curve(rows: Results, method: str) -> Floats:
    """float64 [G]: mean TPR at each rate of the grid, a family once; NaN if no curve was kept."""
    own = rows.only(method=method)
    own = own.take(np.asarray(~np.isnan(own.curve).any(1)))
    grid = len(rows.about.fpr_grid)
    if not len(own) or not grid:
        return np.full(grid, math.nan)
    names = own.values("family")
    means = [own.curve[own["family"] == name].mean(0, dtype=np.float64) for name in names]
    return np.asarray(np.mean(means, axis=0))
