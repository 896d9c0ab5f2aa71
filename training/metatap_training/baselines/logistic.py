"""Logistic regression on the same normalised features, class-balanced."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

from metatap_training.datasets.flows import FloatArray

STRENGTHS = (0.01, 0.1, 1.0, 10.0)
"""Values of C; the report takes the best one by the very figure reported, in its favour."""


def logistic(
    support: FloatArray, background: FloatArray, queries: FloatArray, strength: float
) -> FloatArray:
    """Scores [n] of queries [n, F] from support [k, F] and background [m, F], all normalised.

    Args:
        support: Positives.
        background: Negatives.
        queries: To score.
        strength: C, inverse of the L2 penalty.
    """
    rows = np.concatenate([support, background])
    label = np.r_[np.ones(len(support)), np.zeros(len(background))]
    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=300, tol=1e-3)
    return np.asarray(model.fit(rows, label).decision_function(queries), np.float32)
