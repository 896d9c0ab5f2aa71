"""Support vector machine with an RBF kernel.

Source: Cortes & Vapnik, "Support-vector networks", Machine Learning 20 (1995).
"""

from __future__ import annotations

import numpy as np
from sklearn.svm import SVC

from metatap_training.datasets.flows import FloatArray


def vector_machine(
    support: FloatArray, background: FloatArray, queries: FloatArray, *, cost: float, width: float
) -> FloatArray:
    """Signed distances [n] of queries [n, F] to the margin, classes balanced; all normalised.

    Args:
        support: float32 [k, F], positives.
        background: float32 [m, F], negatives.
        queries: float32 [n, F].
        cost: C.
        width: γ of the kernel, as a share of 1 / F.
    """
    rows = np.concatenate([support, background])
    label = np.r_[np.ones(len(support)), np.zeros(len(background))]
    model = SVC(C=cost, gamma=width / rows.shape[1], class_weight="balanced")
    return np.asarray(model.fit(rows, label).decision_function(queries), np.float32)
