"""What the agent says about its network and itself, beside alerts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class NoticeKind(StrEnum):
    """What a notice is about."""

    DRIFT = "drift"
    """The network's traffic has moved; what is known of it is learned anew."""

    BUDGET = "budget"
    """A pack's threshold is above its own examples: the budget silences it."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A feature, or a pack's score, that moved.

    Attributes:
        name: Of the feature; `score.ID` for the scores of a pack.
        distance: How far its level is from the usual one, signed, in spreads of the latter.
    """

    name: str
    distance: float


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice.

    Attributes:
        kind: What it is about.
        at: The agent's clock when it was made, ns since the epoch.
        seconds: How long before that the change began, in traffic time; 0: no matter.
        statistic: The test's sum, in spreads; of a budget the threshold.
        moved: What moved, the furthest first.
        pack: Id of the pack, "" if it is about none.
    """

    kind: NoticeKind
    at: int
    seconds: float = 0.0
    statistic: float = 0.0
    moved: tuple[Moved, ...] = ()
    pack: str = ""

    @property
    def text(self) -> str:
        """The notice as a sentence."""
        if self.kind is NoticeKind.BUDGET:
            return (
                f"pack {self.pack}: the budget puts its threshold at {self.statistic:.2f}, above "
                "more than half of its own flows"
            )
        names = ", ".join(f"{item.name} {item.distance:+.1f}" for item in self.moved[:5])
        more = f" and {len(self.moved) - 5} more" if len(self.moved) > 5 else ""
        return f"traffic has changed for {self.seconds / 60:.0f} minutes: {names}{more}"
