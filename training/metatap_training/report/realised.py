"""False-positive rates that thresholds from the background alone bring about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metatap.offline.metrics import bootstrap_mean
from metatap_training.report.methods import OWN
from metatap_training.report.paired import Interval
from metatap_training.report.results import Results, by_family, mean_known
from metatap_training.report.verdict import TABLES

RATE = 1e-3
BAND = (0.5, 2.0)
"""Times the rate."""

ALL = "all networks"


@dataclass(frozen=True)
class Realised:
    """The rate in one network, or in all.

    Attributes:
        network: Its name, or ALL.
        families: Families measured there.
        rate: Mean over families.
        interval: 95 %, bootstrap over families; over draws where there is one family.
    """

    network: str
    families: int
    rate: float
    interval: Interval

    @property
    def passed(self) -> bool:
        """ALL: the interval holds the rate; a network: it reaches into the band."""
        low, high = self.interval
        if self.network == ALL:
            return low <= RATE <= high
        return high >= BAND[0] * RATE and low <= BAND[1] * RATE


def realised(results: Results, own: str = OWN, role: str = "test") -> tuple[Realised, ...]:
    """All networks first, then each; empty if nothing was measured."""
    rows = results.single().only(method=own, role=role, table=TABLES)
    if np.isnan(rows["fpr_background"]).all():
        return ()
    rows = rows.take(~np.isnan(rows["fpr_background"]))
    found = [_rate(rows, own, ALL)]
    found += [_rate(rows.only(network=name), own, name) for name in rows.values("network")]
    return tuple(found)


def _rate(rows: Results, own: str, name: str) -> Realised:
    family, draws = rows["family"][rows.first], rows.matrix(own, "fpr_background")
    means = by_family(family, mean_known(draws, 1))
    clusters = means if len(means) > 1 else draws[~np.isnan(draws)]
    return Realised(name, len(means), float(means.mean()), bootstrap_mean(clusters))
