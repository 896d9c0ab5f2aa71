"""Families held out of training, and how well the model finds them.

With the families, the last fifth of each network's benign flows is held out. A draw takes `SUPPORT`
flows of a family as the pack, half of those benign flows as its background (at most `BACKGROUND`)
and the rest as negatives (at most `NEGATIVES`); the family's other flows are the positives. Every
method sees the same rows. Support and negatives are of the same networks, as where a site makes a
pack of what it found at home.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from metatap.offline.metrics import tpr_at
from metatap_training.bench.measures import RATE
from metatap_training.datasets import BENIGN, MALICIOUS, Flows
from metatap_training.datasets.sources import DataError
from metatap_training.evaluate.draws import BACKGROUND, NEGATIVES, QUERIES, Draw
from metatap_training.evaluate.scorers import BASELINES, META, cut, meta_scores
from metatap_training.learners import Committee
from metatap_training.preprocess import Scaling
from metatap_training.preprocess.clean import row_ids

SUPPORT = 5
DRAWS = 10
LEAST = 5
"""Positives that a family must have beside its support."""

SHARE = 5
"""One in so many benign flows is held out."""

BENIGN_LEAST = 200
"""Benign flows that must be held out."""


@dataclass(frozen=True, slots=True)
class Holdout:
    """Flows that were not trained on.

    Attributes:
        families: The families held out.
        flows: Their flows, and the benign ones held out.
    """

    families: tuple[str, ...]
    flows: Flows

    def measure(self, model: Committee, scaling: Scaling, seed: int) -> dict[str, Any]:
        """TPR at `RATE` of every method on each family, the mean of `DRAWS` draws.

        Args:
            model: Trained without these flows.
            scaling: Its normalisation.
            seed: Of the draws.
        """
        scaled = scaling.apply(self.flows.features)
        rows = {}
        for family in self.families:
            found: dict[str, list[float]] = {}
            draws = [self._draw(family, number, seed) for number in range(DRAWS)]
            for draw in draws:
                parts = cut(draw, self.flows, scaled)
                scores = {name: scorer(parts) for name, scorer in BASELINES.items()}
                scores[META] = meta_scores(model, parts)
                edge = len(draw.positive)
                for name, score in scores.items():
                    found.setdefault(name, []).append(tpr_at(score[:edge], score[edge:], RATE))
            rows[family] = {
                "positives": len(draws[0].positive),
                "background": len(draws[0].background),
                "negatives": len(draws[0].negative),
                "tpr": {name: round(float(np.mean(values)), 4) for name, values in found.items()},
            }
        return {"rate": RATE, "support": SUPPORT, "draws": DRAWS, "families": rows}

    def _draw(self, family: str, number: int, seed: int) -> Draw:
        flows = self.flows
        rng = np.random.default_rng([seed, number, *family.encode()])
        threat = (flows.label == MALICIOUS) & (flows.family == family)
        rows = rng.permutation(np.flatnonzero(threat))
        support, others = rows[:SUPPORT], rows[SUPPORT:]
        ids = row_ids(flows)
        fresh = others[~np.isin(ids[others], ids[support])]
        benign = rng.permutation(np.flatnonzero(flows.label == BENIGN))
        edge = min(BACKGROUND, len(benign) // 2)
        return Draw(
            support=support,
            background=benign[:edge],
            positive=(fresh if len(fresh) >= LEAST else others)[:QUERIES],
            negative=benign[edge:][:NEGATIVES],
        )


def of_families(flows: Flows, families: Sequence[str]) -> npt.NDArray[np.bool_]:
    """bool [n], malicious flows of these families."""
    named = np.isin(flows.family, np.array(families, np.str_))
    return np.asarray((flows.label == MALICIOUS) & named)


def hold_out(flows: Flows, families: Sequence[str]) -> tuple[Flows, Holdout | None]:
    """Flows to train on, and those held out; None if no family is.

    Args:
        flows: Cleaned flows of a user.
        families: Families to hold out.

    Raises:
        DataError: a family has too few flows, or there are too few benign ones.
    """
    if not families:
        return flows, None
    malicious = flows.label == MALICIOUS
    for family in families:
        count = int((malicious & (flows.family == family)).sum())
        if count < SUPPORT + LEAST:
            raise DataError(
                f"family {family}: {count} flows, to hold it out {SUPPORT + LEAST} are needed"
            )
    benign = np.zeros(len(flows), np.bool_)
    for network in np.unique(flows.network):
        rows = np.flatnonzero((flows.label == BENIGN) & (flows.network == network))
        rows = rows[np.argsort(flows.ts[rows], kind="stable")]
        benign[rows[len(rows) - len(rows) // SHARE :]] = True
    if benign.sum() < BENIGN_LEAST:
        raise DataError(
            f"{int(benign.sum())} benign flows would be held out (one in {SHARE}), "
            f"{BENIGN_LEAST} are needed"
        )
    threat = of_families(flows, families)
    held = Holdout(tuple(sorted(set(families))), flows.take(benign | threat))
    return flows.take(~(benign | threat)), held
