"""What an evaluation reports. docs/offline.md defines every figure."""

from __future__ import annotations

from dataclasses import dataclass

RATE = 1e-3
"""False-positive rate at which the true-positive rate is read."""

BENIGN_NEEDED = 1000
"""Benign flows of which one may be alerted on at `RATE`; with fewer, none may."""

HOSTS, ALIKE, FLOWS = "hosts", "hosts_alike", "flows"
"""What an interval is made from: a bootstrap over hosts; Wilson's interval with as many trials as
there are hosts, where every draw of them gives the same; Wilson's interval on flows, where all
flows of the figure are of one host."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and its 95 % interval.

    Attributes:
        value: The figure; None where nothing defines it.
        low: Lower end, None where there is no interval.
        high: Upper end.
        interval: `hosts`, `hosts_alike`, `flows` or None.
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
        partial: Partial records left out.
        unmatched: Family → uids of labels that no flow has.
        repeated: Labelled uids that are on several flows, each of which counts.
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
    partial: int
    unmatched: dict[str, int]
    repeated: int
    hosts: int
    precision: Figure
    f1: Figure
    false_per_10k: Figure
    total: FamilyRow | None
    families: tuple[FamilyRow, ...]
    packs: tuple[PackRow, ...]
    at_highest_benign: bool
