"""How far any choice among the measured methods could get: the bar's limit seen from above.

For each draw of each cell the best of all learners is taken, chosen by the result itself. No method
can do that, since the result is not known when one has to choose: it is an upper end. Where even
this misses more than the bar allows, flows of the threat are found by no learner at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from metatap_training.report.methods import OWN, PEERS
from metatap_training.report.paired import ratio_of
from metatap_training.report.results import Results, by_family, mean_known
from metatap_training.report.verdict import LIMITS, TABLES

HALF = 0.5
"""A cell of which the best learner finds less than this share is lost."""


@dataclass(frozen=True)
class Lost:
    """A cell that no learner finds half of.

    Attributes:
        name: Family: support network → network.
        best: Mean TPR of the best learner.
        method: Its name.
        own: Mean TPR of the own learner.
    """

    name: str
    best: float
    method: str
    own: float


@dataclass(frozen=True)
class Ceiling:
    """The upper end in one table at one K.

    Attributes:
        table: own, random or capture.
        k: Flows of support.
        peer: The peer that misses least.
        peer_miss: Its mean miss rate over families.
        own_miss: Of the own learner.
        miss: Of the best learner of each draw, chosen by the result.
        limit: Greatest ratio to the best peer's that the bar allows.
        lost: Cells that no learner finds half of, the least found first.
    """

    table: str
    k: int
    peer: str
    peer_miss: float
    own_miss: float
    miss: float
    limit: float
    lost: tuple[Lost, ...]

    @property
    def ratio(self) -> float:
        """Miss of the upper end as a multiple of the best peer's."""
        return ratio_of(self.miss, self.peer_miss)


def ceilings(results: Results) -> Iterator[Ceiling]:
    """The upper end in each table and K of the bar that all learners were measured in."""
    for table in TABLES:
        for k in LIMITS:
            found = _ceiling(results.single().only(role="test", table=table, k=k), table, k)
            if found is not None:
                yield found


def _ceiling(rows: Results, table: str, k: int) -> Ceiling | None:
    names = [name for name in (OWN, *PEERS) if name in rows.methods]
    if len(names) < 2 or names[0] != OWN:
        return None
    tpr = np.stack([rows.matrix(name) for name in names])
    tpr[:, np.isnan(tpr).any(0)] = np.nan
    family = rows["family"][rows.first]
    cells = np.stack([mean_known(one, 1) for one in tpr])
    if np.isnan(cells).all():
        return None
    misses = {
        name: 1 - float(by_family(family, one).mean())
        for name, one in zip(names, cells, strict=True)
    }
    peer = min(names[1:], key=lambda name: misses[name])
    best = cells.argmax(0)
    lost = [
        Lost(_name(rows, int(row)), float(top), names[int(which)], float(own))
        for row, top, which, own in zip(rows.first, cells.max(0), best, cells[0], strict=True)
        if top < HALF
    ]
    return Ceiling(
        table=table,
        k=k,
        peer=peer,
        peer_miss=misses[peer],
        own_miss=misses[OWN],
        miss=1 - float(by_family(family, mean_known(tpr.max(0), 1)).mean()),
        limit=LIMITS[k],
        lost=tuple(sorted(lost, key=lambda one: one.best)),
    )


def _name(rows: Results, row: int) -> str:
    return f"{rows['family'][row]}: {rows['support_network'][row]} → {rows['network'][row]}"
