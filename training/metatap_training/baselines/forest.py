"""Random forest and extremely randomised trees.

Sources: Breiman, "Random forests", Machine Learning 45 (2001); Geurts et al., "Extremely randomized
trees", Machine Learning 63 (2006).
"""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from metatap_training.datasets.flows import FloatArray


def forest(
    support: FloatArray,
    background: FloatArray,
    queries: FloatArray,
    *,
    trees: int,
    columns: str,
    leaf: int,
    seed: int,
    extra: bool = False,
) -> FloatArray:
    """Chances float32 [n] of queries, classes balanced.

    Args:
        support: float32 [k, F], positives; NaN = absent.
        background: float32 [m, F], negatives.
        queries: float32 [n, F].
        trees: Number of trees.
        columns: Columns tried at a split: `sqrt`, `log2`, or a share such as `0.3`.
        leaf: Fewest rows of a leaf.
        seed: Of the bootstrap and the columns.
        extra: Thresholds at random, every tree on all rows.
    """
    rows = np.concatenate([support, background])
    label = np.r_[np.ones(len(support)), np.zeros(len(background))]
    model = (ExtraTreesClassifier if extra else RandomForestClassifier)(
        trees,
        bootstrap=not extra,
        max_features=columns if columns.isalpha() else float(columns),
        min_samples_leaf=leaf,
        class_weight="balanced",
        n_jobs=1,
        random_state=seed,
    )
    model.fit(rows, label)
    return np.asarray(model.predict_proba(queries)[:, 1], np.float32)
