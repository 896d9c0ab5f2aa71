"""The figures of an evaluation, each with its 95 % interval. docs/offline.md defines every one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metatap.offline.bootstrap import Weighted, percentiles
from metatap.offline.judged import Judged
from metatap.offline.labels import BENIGN, MALICIOUS, UNKNOWN
from metatap.offline.metrics import auprc, tpr_at, wilson

RATE = 1e-3
"""False-positive rate at which the true-positive rate is read."""

BENIGN_NEEDED = 1000
"""Benign flows of which one may be alerted on at `RATE`; with fewer, none may."""

TOP = 3
"""Families named for each pack."""

HOSTS, FLOWS = "hosts", "flows"
"""What an interval is made from: a bootstrap over hosts, or Wilson's interval on flows, where all
flows of the figure are of one host, or every draw of hosts gives the same share."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and its 95 % interval.

    Attributes:
        value: The figure; None where nothing defines it.
        low: Lower end, None where there is no interval.
        high: Upper end.
        interval: `hosts`, `flows` or None.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    interval: str | None = None


@dataclass(frozen=True, slots=True)
class FamilyRow:
    """One threat, or all of them.

    Attributes:
        family: Its name.
        flows: Its flows.
        hosts: Hosts they are of.
        recall: Share of its flows that any pack alerts on.
        tpr: Share found by the system score at false-positive rate `RATE`.
        auprc: Average precision of the system score against all benign flows.
        best: Pack that alerts on most of its flows, None if none does.
        best_flows: How many those are.
    """

    family: str
    flows: int
    hosts: int
    recall: Figure
    tpr: Figure
    auprc: Figure
    best: str | None
    best_flows: int


@dataclass(frozen=True, slots=True)
class PackRow:
    """One pack's alerts.

    Attributes:
        pack: Its id.
        alerts: Flows it alerts on.
        malicious: Those among them that are malicious.
        benign: Likewise benign.
        unknown: Likewise without a label.
        families: The labelled families most alerted on: label, family, flows.
    """

    pack: str
    alerts: int
    malicious: int
    benign: int
    unknown: int
    families: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that is reported.

    Attributes:
        flows: Flows in all.
        benign: Benign ones.
        malicious: Malicious ones.
        unknown: Text of other labels → flows left out.
        hosts: Hosts of the labelled flows.
        precision: Share of the alerted labelled flows that are malicious.
        f1: Harmonic mean of precision and recall.
        false_per_10k: Benign flows alerted on, of 10,000.
        total: All threats as one; None if there is none.
        families: A row a threat, by name.
        packs: A row a pack.
        at_highest_benign: There are too few benign flows for `RATE`: `tpr` is read at the highest
            benign score.
    """

    flows: int
    benign: int
    malicious: int
    unknown: dict[str, int]
    hosts: int
    precision: Figure
    f1: Figure
    false_per_10k: Figure
    total: FamilyRow | None
    families: tuple[FamilyRow, ...]
    packs: tuple[PackRow, ...]
    at_highest_benign: bool


def evaluate(judged: Judged, unknown: Counter[str]) -> Evaluation:
    """All figures of flows held against their labels.

    Args:
        judged: The flows.
        unknown: Text of the labels left out → flows.
    """
    label = np.array([found.label for found in judged.groups] or [""])[judged.group]
    threats = sorted(
        (found.family, at) for at, found in enumerate(judged.groups) if found.label == MALICIOUS
    )
    benign, malicious = np.flatnonzero(label == BENIGN), np.flatnonzero(label == MALICIOUS)
    sets = [malicious, *(np.flatnonzero(judged.group == at) for _, at in threats)]
    rows = _Rows(judged, benign, sets if len(malicious) else [])
    codes = [[at for _, at in threats], *([at] for _, at in threats)]
    names = ["all", *(name for name, _ in threats)]
    families = [
        rows.family(at, name, judged.alerts[code].sum(0))
        for at, (name, code) in enumerate(zip(names, codes, strict=True))
        if len(malicious)
    ]
    precision, f1, false = rows.totals()
    return Evaluation(
        flows=judged.flows,
        benign=len(benign),
        malicious=len(malicious),
        unknown=dict(unknown.most_common()),
        hosts=rows.hosts,
        precision=precision,
        f1=f1,
        false_per_10k=false,
        total=families[0] if families else None,
        families=tuple(families[1:]),
        packs=tuple(_pack_row(judged, at) for at in range(len(judged.packs))),
        at_highest_benign=0 < len(benign) < BENIGN_NEEDED,
    )


def _pack_row(judged: Judged, pack: int) -> PackRow:
    count: Counter[str] = Counter()
    families = []
    for group, alerts in zip(judged.groups, judged.alerts[:, pack].tolist(), strict=True):
        count[group.label] += alerts
        if alerts and group.label != UNKNOWN:
            families.append((group.label, group.family, alerts))
    families.sort(key=lambda item: (-item[2], item[1], item[0]))
    return PackRow(
        judged.packs[pack],
        count.total(),
        count[MALICIOUS],
        count[BENIGN],
        count[UNKNOWN],
        tuple(families[:TOP]),
    )


class _Rows:
    """Makes the figures of sets of malicious flows; the first set is all of them."""

    def __init__(
        self,
        judged: Judged,
        benign: npt.NDArray[np.intp],
        sets: list[npt.NDArray[np.intp]],
    ) -> None:
        hosts, host = np.unique(judged.host, return_inverse=True)
        self.hosts = len(hosts)
        self._judged, self._benign, self._sets = judged, benign, sets
        self._host = host.astype(np.int32)
        weighted = Weighted(
            system=judged.system,
            alerted=judged.alerted,
            host=self._host,
            benign=benign,
            sets=sets,
            rate=RATE,
        )
        self._drawn = weighted.rounds(self.hosts) if self.hosts > 1 else None
        self._point = weighted.figures(np.ones(self.hosts))

    def family(self, at: int, name: str, alerts: npt.NDArray[np.int64]) -> FamilyRow:
        """The row of a set; `alerts` int64 [P] on its flows."""
        judged, flows = self._judged, self._sets[at]
        score, benign = judged.system[flows], judged.system[self._benign]
        tpr = area = None
        if len(benign):
            tpr = tpr_at(score, benign, RATE)
            area = auprc(score, benign, len(score) / (len(score) + len(benign)))
        recall = float(judged.alerted[flows].mean())
        best = int(alerts.argmax())
        drawn = self._drawn
        return FamilyRow(
            name,
            len(flows),
            len(np.unique(self._host[flows])),
            self._figure(recall, None if drawn is None else drawn.recall[:, at], flows),
            self._figure(tpr, None if drawn is None else drawn.tpr[:, at], flows),
            self._figure(area, None if drawn is None else drawn.auprc[:, at], flows, share=False),
            judged.packs[best] if alerts[best] else None,
            int(alerts[best]),
        )

    def totals(self) -> tuple[Figure, Figure, Figure]:
        """Precision, F1 and false alerts per 10,000 benign flows."""
        alerted = np.flatnonzero(self._judged.alerted)
        malicious = self._sets[0] if self._sets else np.zeros(0, np.intp)
        either = np.union1d(alerted, malicious)
        over = (alerted, either, self._benign)
        found = [
            self._figure(
                float(self._point.totals[at]) if len(flows) else None,
                None if self._drawn is None else self._drawn.totals[:, at],
                flows,
                share=at != 1,
            )
            for at, flows in enumerate(over)
        ]
        return found[0], found[1], _scaled(found[2], 10_000)

    def _figure(
        self,
        value: float | None,
        drawn: npt.NDArray[np.float64] | None,
        flows: npt.NDArray[np.intp],
        *,
        share: bool = True,
    ) -> Figure:
        """A figure of these flows; `share`: it is a share of them."""
        if value is None or np.isnan(value):
            return Figure(None)
        ends = None
        if drawn is not None and len(np.unique(self._host[flows])) > 1:
            ends = percentiles(drawn, value)
        if ends is not None:
            return Figure(value, *ends, HOSTS)
        if not share:
            return Figure(value)
        return Figure(value, *wilson(round(value * len(flows)), len(flows)), FLOWS)


def _scaled(figure: Figure, by: float) -> Figure:
    def times(value: float | None) -> float | None:
        return None if value is None else value * by

    return Figure(times(figure.value), times(figure.low), times(figure.high), figure.interval)
