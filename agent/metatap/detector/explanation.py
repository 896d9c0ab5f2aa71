"""What an explanation says; how it is found is in `explain`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from metatap.flow import Row


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
class Unusual:
    """How rare a score as high as the flow's is among the flows heads and thresholds were made on.

    Attributes:
        background: m ≥ 1, flows of that background.
        at_or_above: Those of them that score as high or higher with the pack's head.
        source: Whose it is: `reference`, that in the model file, or `local`, this network's.
    """

    background: int
    at_or_above: int
    source: str

    @property
    def one_in(self) -> float:
        """N of "1 in N flows"; where no flow scores as high it is fewer than 1 in so many."""
        return self.background / max(self.at_or_above, 1)

    @property
    def text(self) -> str:
        """In words, e.g. `fewer than 1 in 2,043 flows of this network score as high`."""
        bound = "about" if self.at_or_above else "fewer than"
        whose = "this network" if self.source == "local" else "the model's background"
        return f"{bound} 1 in {self.one_in:,.0f} flows of {whose} score as high"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a flow reached a pack's threshold.

    Attributes:
        nearest_index: Index, from 0, of the pack's support flow that is most alike; -1 where
            nothing is known of it.
        nearest_uid: Its uid, "" where the pack does not give one.
        nearest_distance: Euclidean distance to it in the embedding.
        reasons: The features that moved the score most, falling.
        nearest_flow: That support flow under Zeek's field names, to be held beside the alert's own;
            empty where there is none.
        unusual: How rare such a score is, None where no background is known.
    """

    nearest_index: int
    nearest_uid: str
    nearest_distance: float
    reasons: tuple[Reason, ...]
    nearest_flow: Row = field(default_factory=dict)
    unusual: Unusual | None = None


NOTHING_KNOWN = Explanation(-1, "", math.inf, ())
"""Stands for an explanation that could not be made; the nearest flow of a rule without flows."""
