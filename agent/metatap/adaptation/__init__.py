"""Adaptation: what the network is like, and thresholds that follow from it.

In: `Detections` of n flows each, in the order of the stream. Out: a background of the network's own
flows, float32 [m, d] in the space of a model; thresholds float32 [P'] for a budget of alerts a day;
notices of drift; distances for the pack `unknown`. Nothing is dropped: flows are looked at, not
passed on. What is kept over a restart is bounded and checked when it is read (`StateError`).
Estimators and their sources: docs/adaptation.md.
"""

from metatap.adaptation.adapter import Adapter
from metatap.adaptation.budgeting import BUDGET
from metatap.adaptation.notice import Moved, Notice, NoticeKind

__all__ = [
    "BUDGET",
    "Adapter",
    "Moved",
    "Notice",
    "NoticeKind",
]
