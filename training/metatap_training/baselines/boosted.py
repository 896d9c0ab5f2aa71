"""LightGBM, gradient-boosted trees.

Source: Ke et al., "LightGBM: a highly efficient gradient boosting decision tree" (NIPS 2017).
"""

from __future__ import annotations

import lightgbm
import numpy as np

from metatap_training.datasets.flows import FloatArray


def boosted(
    support: FloatArray,
    background: FloatArray,
    queries: FloatArray,
    *,
    trees: int,
    leaves: int,
    rate: float,
    least: int,
    share: float,
    seed: int,
) -> FloatArray:
    """Log-odds [n] of queries [n, F], classes balanced.

    Support flows weigh as much together as the background does. The hessian a leaf needs is set to
    nearly nothing: with one to ten positives the default allows no split at all.

    Args:
        support: float32 [k, F], positives; NaN = absent.
        background: float32 [m, F], negatives.
        queries: float32 [n, F].
        trees: Rounds of boosting.
        leaves: Most leaves of a tree.
        rate: Learning rate.
        least: Fewest rows of a leaf.
        share: Share of the columns that a tree may use.
        seed: Of the columns.
    """
    rows = np.concatenate([support, background])
    label = np.r_[np.ones(len(support)), np.zeros(len(background))]
    weight = np.where(label == 1, len(background) / len(support), 1.0)
    settings = {
        "objective": "binary",
        "num_leaves": leaves,
        "learning_rate": rate,
        "min_data_in_leaf": least,
        "min_sum_hessian_in_leaf": 1e-6,
        "min_data_in_bin": 1,
        "feature_fraction": share,
        "seed": seed,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    model = lightgbm.train(settings, lightgbm.Dataset(rows, label, weight=weight), trees)
    return np.asarray(model.predict(queries, raw_score=True, num_threads=1), np.float32)
