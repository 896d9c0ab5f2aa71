"""The bar: what the own learner has to reach against the best peer, judged from results.

In each of the tables own, random and capture, over test families and all their cells:

- the mean miss rate (1 − TPR at FPR 1e-3, threshold read on the queries) is at most 0.5 of the
  best peer's at K = 5 and K = 10 and at most 0.7 of it at K = 1;
- the upper end of the ratio's 95 % interval (paired bootstrap over families) is below 1;
- in at least 80 % of cells the own learner is ahead or level;
- in no cell of at least 100 positives is it significantly behind (Holm, 5 %).

A family counts once: the mean of its cells, each the mean of the draws both methods have. The best
peer is the one that the ratio is worst against.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from metatap_training.report.methods import CONTENDERS, OWN
from metatap_training.report.paired import (
    Interval,
    behind,
    common,
    holm,
    ratio_interval,
    ratio_of,
)
from metatap_training.report.results import Results, by_family

TABLES = ("own", "random", "capture")
LIMITS = {1: 0.7, 5: 0.5, 10: 0.5}
"""Greatest ratio of mean miss rates, by K."""

AHEAD = 0.8
POSITIVES = 100
LEVEL = 1e-4
"""TPRs that differ by no more are level: files keep four digits."""


class Labels(StrEnum):
    """Which cells: all, those labelled flow by flow, or whole captures with one label."""

    ALL = "all"
    FLOW = "flow by flow"
    WEAK = "weak"


@dataclass(frozen=True)
class Verdict:
    """The own learner against its best peer in one table at one K.

    Attributes:
        table: own, random, capture or technique.
        k: Flows of support.
        labels: Which cells.
        peer: The peer that the ratio is worst against.
        families: Families compared.
        cells: Cells compared.
        draws: Most draws of a cell.
        own_miss: Mean miss rate of the own learner, over families.
        peer_miss: Of the peer, in the same cells and draws.
        ratio: Their ratio; infinite if only the peer misses nothing.
        interval: 95 % interval of the ratio.
        ahead: Share of cells in which the own learner is ahead or level.
        behind: Names of cells in which it is significantly behind.
    """

    table: str
    k: int
    labels: Labels
    peer: str
    families: int
    cells: int
    draws: int
    own_miss: float
    peer_miss: float
    ratio: float
    interval: Interval
    ahead: float
    behind: tuple[str, ...]

    @property
    def limit(self) -> float:
        """Greatest ratio the bar allows; 1 for a K it does not name."""
        return LIMITS.get(self.k, 1.0)

    @property
    def faults(self) -> tuple[str, ...]:
        """What keeps it from passing, in words; empty if it passes."""
        return tuple(self._faults())

    @property
    def passed(self) -> bool:
        """All four conditions hold."""
        return not self.faults

    def _faults(self) -> Iterator[str]:
        if self.ratio > self.limit:
            yield f"ratio {self.ratio:.2f} > {self.limit:g}"
        if not self.interval[1] < 1:
            yield f"upper end {self.interval[1]:.2f} ≥ 1"
        if self.ahead < AHEAD:
            yield f"ahead or level in {self.ahead:.0%} of cells"
        if self.behind:
            yield f"significantly behind in {len(self.behind)}"


def judge(
    results: Results,
    table: str,
    k: int,
    *,
    labels: Labels = Labels.ALL,
    peers: Sequence[str] = CONTENDERS,
    own: str = OWN,
    role: str = "test",
) -> Verdict | None:
    """The verdict of one table and K; None if own learner and peers share no cell there.

    Args:
        results: All rows.
        table: Which table.
        k: Flows of support.
        labels: Which cells.
        peers: Among whom to look for the best.
        own: The method judged.
        role: test, or validation.
    """
    rows = results.single().only(table=table, k=k, role=role)
    if labels is not Labels.ALL:
        rows = rows.only(weak=labels is Labels.WEAK)
    found = [_against(rows, own, peer, labels) for peer in peers if peer in rows.methods]
    verdicts = [verdict for verdict in found if verdict is not None]
    return max(verdicts, key=lambda verdict: verdict.ratio, default=None)


def _against(rows: Results, own: str, peer: str, labels: Labels) -> Verdict | None:
    pair = common(rows, own, peer)
    if not len(pair.own):
        return None
    family = rows["family"][pair.rows]
    own_miss, peer_miss = 1 - by_family(family, pair.own), 1 - by_family(family, pair.peer)
    large = rows["positives"][pair.rows] >= POSITIVES
    worse = holm(behind(pair, rows["positives"][pair.rows])[large])
    names = [_name(rows, row) for row in pair.rows[large][worse]]
    return Verdict(
        table=str(rows["table"][pair.rows[0]]),
        k=int(rows["k"][pair.rows[0]]),
        labels=labels,
        peer=peer,
        families=len(own_miss),
        cells=len(pair.own),
        draws=int((~np.isnan(pair.gap)).sum(1).max()),
        own_miss=float(own_miss.mean()),
        peer_miss=float(peer_miss.mean()),
        ratio=ratio_of(float(own_miss.mean()), float(peer_miss.mean())),
        interval=ratio_interval(own_miss, peer_miss),
        ahead=float((pair.own >= pair.peer - LEVEL).mean()),
        behind=tuple(names),
    )


def _name(rows: Results, row: int) -> str:
    return f"{rows['family'][row]}: {rows['support_network'][row]} → {rows['network'][row]}"


@dataclass(frozen=True)
class Bar:
    """All verdicts of the bar.

    Attributes:
        verdicts: Those measured, by table and K.
        missing: (table, K) the bar asks for and the results lack.
    """

    verdicts: tuple[Verdict, ...]
    missing: tuple[tuple[str, int], ...]

    @property
    def passed(self) -> bool:
        """Everything was measured and passed."""
        return not self.missing and all(verdict.passed for verdict in self.verdicts)


def bar(results: Results, labels: Labels = Labels.ALL, own: str = OWN) -> Bar:
    """The bar over the tables and Ks it names."""
    asked = [(table, k) for table in TABLES for k in LIMITS]
    found = {at: judge(results, *at, labels=labels, own=own) for at in asked}
    return Bar(
        tuple(verdict for verdict in found.values() if verdict is not None),
        tuple(at for at, verdict in found.items() if verdict is None),
    )
