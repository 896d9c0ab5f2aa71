"""What an analyst with a fixed number of false alerts gets.

Alerts are folded by originating host, as the agent folds them: a host with a hundred false hits is
one false alert. The budget is `BUDGET` false alerts over the cell's negatives, yet at most a tenth
of their hosts, so a network of few hosts allows none.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metatap.offline.metrics import Scores

BUDGET = 10
SHARE = 0.1


def at_budget(
    positive: Scores, negative: Scores, hosts: npt.NDArray[np.intp], prevalence: float
) -> dict[str, float]:
    """`recall_budget` and `precision_budget`.

    Args:
        positive: [q], scores of positives.
        negative: [n], of negatives, n ≥ 1.
        hosts: intp [n], originators of the negatives.
        prevalence: Share of positives that precision is stated at; the rest is alerted on at the
            share of hosts that is.
    """
    names, place = np.unique(hosts, return_inverse=True)
    highest = np.full(len(names), -np.inf)
    np.maximum.at(highest, place, negative)
    allowed = min(BUDGET, int(SHARE * len(names)))
    threshold = np.sort(highest)[-allowed - 1]
    recall = float((positive > threshold).mean())
    false = float((highest > threshold).mean())
    right, wrong = prevalence * recall, (1 - prevalence) * false
    precision = right / (right + wrong) if right + wrong > 0 else 0.0
    return {"recall_budget": recall, "precision_budget": precision}
