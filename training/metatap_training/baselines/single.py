"""Best feature: how near one column comes to the support, if it is the most telling one."""

from __future__ import annotations

import numpy as np

from metatap_training.datasets.flows import FloatArray

PART = 1e-3
"""Share of the background that may be as near as the support."""


def best_feature(support: FloatArray, background: FloatArray, queries: FloatArray) -> FloatArray:
    """Scores [n]: minus the distance to the support's mean in the chosen column.

    Chosen is the column in which the nearest `PART` of the background is farthest away, compared
    with the farthest support flow.

    Args:
        support: float32 [k, F], normalised.
        background: float32 [m, F].
        queries: float32 [n, F].
    """
    centre = support.mean(0)
    near = int(PART * len(background))
    far = np.partition(np.abs(background - centre), near, axis=0)[near]
    column = int(np.argmax(far - np.abs(support - centre).max(0)))
    return np.asarray(-np.abs(queries[:, column] - centre[column]), np.float32)
