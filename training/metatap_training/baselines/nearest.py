"""1-NN margin: how much nearer the nearest support flow is than the nearest background flow."""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import NearestNeighbors

from metatap_training.datasets.flows import FloatArray


def nearest_margin(support: FloatArray, background: FloatArray, queries: FloatArray) -> FloatArray:
    """Scores [n] of queries [n, F] from support [k, F] and background [m, F], all normalised."""
    return _distance(background, queries) - _distance(support, queries)


def _distance(reference: FloatArray, queries: FloatArray) -> FloatArray:
    near = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(reference)
    return np.asarray(near.kneighbors(queries)[0][:, 0], np.float32)
