"""Detectors of the odd: they know the background alone, no example of a threat.

Sources: Liu et al., "Isolation forest" (ICDM 2008); Li et al., "ECOD: unsupervised outlier
detection using empirical cumulative distribution functions" (TKDE 2022).
"""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.ensemble import IsolationForest

from metatap_training.datasets.flows import FloatArray


def isolation_forest(
    background: FloatArray, queries: FloatArray, *, trees: int, seed: int
) -> FloatArray:
    """Oddness [n] of queries [n, F] among background [m, F], both normalised."""
    model = IsolationForest(n_estimators=trees, n_jobs=1, random_state=seed)
    model.fit(background)
    return np.asarray(-model.score_samples(queries), np.float32)


def tails(background: FloatArray, queries: FloatArray) -> FloatArray:
    """ECOD: how far out in the tails of all columns queries [n, F] are; both normalised.

    Each query is judged against the background alone, not against the other queries.
    """
    from pyod.models.ecod import ECOD  # noqa: PLC0415 - of the optional group `bench`

    with warnings.catch_warnings():  # columns of one value have no skew; it then counts as none
        warnings.simplefilter("ignore", RuntimeWarning)
        model = ECOD(n_jobs=1).fit(background)
        return np.asarray(model.decision_function(queries), np.float32)
