"""What new rules need before their first batch: floors, their tail, the shape of `unknown`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metatap.adaptation.background import embedded
from metatap.adaptation.budgeting import Budgeting
from metatap.adaptation.unknown import LEAST, Unknown, has_unknown
from metatap.detector import RuleSet

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Ready to go on with other rules.

    Attributes:
        rules: The rules.
        budgeting: Their thresholds.
        shape: What their pack `unknown` scores with, None: nothing yet.
    """

    rules: RuleSet
    budgeting: Budgeting
    shape: Unknown | None

    @classmethod
    def make(cls, rules: RuleSet, budgeting: Budgeting, features: FloatArray, now: int) -> Plan:
        """Plan for rules; takes some batches' time.

        Args:
            rules: The rules.
            budgeting: Of the rules before, a snapshot; it is gone on with.
            features: float32 [m, F], flows of the network.
            now: Traffic time, ns.

        Raises:
            ModelError: the model fails.
        """
        shape = None
        if has_unknown(rules) and len(features) >= LEAST:
            shape = Unknown.fit(embedded(rules.model, features))
        if budgeting.is_on:
            budgeting.adopt(rules, features, shape, now)
        return cls(rules, budgeting, shape)
