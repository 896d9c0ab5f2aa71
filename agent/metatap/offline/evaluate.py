"""The figures of an evaluation, each with its 95 % interval. docs/offline.md defines every one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from metatap.offline.bootstrap import Weighted, percentiles
from metatap.offline.figures import (
    ALIKE,
    BENIGN_NEEDED,
    FLOWS,
    HOSTS,
    RATE,
    Evaluation,
    FamilyRow,
    Figure,
    PackRow,
)
from metatap.offline.judged import Judged
from metatap.offline.labels import BENIGN, MALICIOUS, UNKNOWN, Tally
from metatap.offline.metrics import auprc, tpr_at, wilson

TOP = 3
"""Families named for each pack."""


def evaluate(
    judged: Judged, tally: Tally, on_round: Callable[[], None] | None = None
) -> Evaluation:
    """All figures of flows held against their labels.

    Args:
        judged: The flows.
        tally: What of flows and labels did not find each other.
        on_round: Told of each round of the bootstrap.
    """
    label = np.array([found.label for found in judged.groups] or [""])[judged.group]
    threats = sorted(
        (found.family, at) for at, found in enumerate(judged.groups) if found.label == MALICIOUS
    )
    benign, malicious = np.flatnonzero(label == BENIGN), np.flatnonzero(label == MALICIOUS)
    sets = [malicious, *(np.flatnonzero(judged.group == at) for _, at in threats)]
    rows = _Rows(judged, benign, sets if len(malicious) else [], on_round)
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
        unknown=tally.unknown,
        partial=judged.partial,
        unmatched=tally.unmatched,
        repeated=tally.repeated,
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
        on_round: Callable[[], None] | None,
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
        self._drawn = None
        if self.hosts > 1:
            self._drawn = weighted.rounds(self.hosts, on_round=on_round)
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
                rare=at == 2,
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
        rare: bool = False,
    ) -> Figure:
        """A figure of these flows.

        Args:
            value: The figure.
            drawn: Its values in the rounds.
            flows: What it is a figure of.
            share: Whether it is a share of them.
            rare: Whether it counts events so rare that a share of hosts would say nothing.
        """
        if value is None or np.isnan(value):
            return Figure(None)
        hosts = len(np.unique(self._host[flows]))
        ends = None
        if drawn is not None and hosts > 1:
            ends = percentiles(drawn, value)
        if ends is not None:
            return Figure(value, *ends, HOSTS)
        if not share:
            return Figure(value)
        if hosts > 1 and not rare:
            return Figure(value, *wilson(value * hosts, hosts), ALIKE)
        return Figure(value, *wilson(round(value * len(flows)), len(flows)), FLOWS)


def _scaled(figure: Figure, by: float) -> Figure:
    def times(value: float | None) -> float | None:
        return None if value is None else value * by

    return Figure(times(figure.value), times(figure.low), times(figure.high), figure.interval)
