"""Settings of the peers, chosen on the validation cells alone.

By `metatap-train bench --tune --only random,own`: each grid of `tune` on two draws of every
validation family in these tables, the highest mean TPR at FPR 1e-3 over K = 1, 5, 10: SVM 0.930,
extra trees 0.925, logistic regression 0.896, LightGBM 0.876, XGBoost 0.873, random forest 0.856.
With few positives it is the columns a tree may use that tell: of the boosted trees, those that use
a tenth of them find a tenth more than those that use half. `isolation forest` and
`half-space trees` have the settings of their papers.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

Settings = Mapping[str, float | int | str]

TUNED: Mapping[str, Settings] = MappingProxyType(
    {
        "logistic regression": {"strength": 0.1},
        "random forest": {"trees": 100, "columns": "sqrt", "leaf": 1},
        "extra trees": {"trees": 100, "columns": "sqrt", "leaf": 1},
        "LightGBM": {"trees": 100, "leaves": 15, "rate": 0.1, "least": 1, "share": 0.1},
        "XGBoost": {"trees": 100, "depth": 6, "rate": 0.02, "share": 0.1},
        "SVM": {"cost": 10.0, "width": 1.0},
        "isolation forest": {"trees": 100},
        "half-space trees": {"trees": 25, "depth": 10},
    }
)
"""Peer → its settings, named as the arguments of its function."""
