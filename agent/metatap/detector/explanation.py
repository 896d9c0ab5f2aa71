"""What an explanation says; how it is found is in `explain`."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """One feature that moved the score.

    Attributes:
        feature: Name in the feature table.
        words: The feature as an analyst would say it.
        value: The flow's value in the feature's unit, None where absent.
        typical: The usual value of benign traffic in the same unit, None where it has none.
        moved: By how much the score falls when the value is replaced by the typical one.
        text: All of it in a few words, e.g. `payload sent 12,000 bytes (typical 310 bytes)`.
    """

    feature: str
    words: str
    value: float | None
    typical: float | None
    moved: float
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a flow reached a pack's threshold.

    Attributes:
        nearest_index: Index, from 0, of the pack's support flow that is most alike; -1 where
            nothing is known of it.
        nearest_uid: Its uid, "" where the pack does not give one.
        nearest_distance: Euclidean distance to it in the embedding.
        reasons: The features that moved the score most, falling.
    """

    nearest_index: int
    nearest_uid: str
    nearest_distance: float
    reasons: tuple[Reason, ...]


NOTHING_KNOWN = Explanation(-1, "", math.inf, ())
"""Stands for an explanation that could not be made; the nearest flow of a rule without flows."""
