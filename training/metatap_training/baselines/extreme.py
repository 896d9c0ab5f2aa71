"""XGBoost, gradient-boosted trees.

Source: Chen & Guestrin, "XGBoost: a scalable tree boosting system" (KDD 2016).
"""

from __future__ import annotations

import numpy as np

from metatap_training.datasets.flows import FloatArray


def extreme(
    support: FloatArray,
    background: FloatArray,
    queries: FloatArray,
    *,
    trees: int,
    depth: int,
    rate: float,
    share: float,
    seed: int,
) -> FloatArray:
    """Log-odds [n] of queries [n, F], classes balanced.

    The hessian a leaf needs is nothing, as with one to ten positives the default allows few splits.

    Args:
        support: float32 [k, F], positives; NaN = absent.
        background: float32 [m, F], negatives.
        queries: float32 [n, F].
        trees: Rounds of boosting.
        depth: Most levels of a tree.
        rate: Learning rate.
        share: Share of the columns that a tree may use.
        seed: Of the columns.
    """
    import xgboost  # noqa: PLC0415 - of the optional group `bench`

    rows = np.concatenate([support, background])
    label = np.r_[np.ones(len(support)), np.zeros(len(background))]
    settings = {
        "objective": "binary:logistic",
        "max_depth": depth,
        "eta": rate,
        "min_child_weight": 0,
        "colsample_bytree": share,
        "scale_pos_weight": len(background) / len(support),
        "tree_method": "hist",
        "nthread": 1,
        "seed": seed,
    }
    model = xgboost.train(settings, xgboost.DMatrix(rows, label, nthread=1), trees)
    return np.asarray(model.predict(xgboost.DMatrix(queries, nthread=1), output_margin=True))
