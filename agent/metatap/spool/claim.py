"""How far one sink has come in the spool, and what became of each alert it had to get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from metatap.counters import Counters


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of some alerts that a sink took, the delivered ones apart.

    Attributes:
        filtered: Alerts that the sink does not want.
        dropped: Reason → alerts that the sink can never have.
    """

    filtered: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)


class Claim:
    """The place of one sink in the order of alerts.

    At any time `alerts.received = alerts.passed + Σ alerts.dropped + filtered + waiting`.

    Attributes:
        name: Name of the sink.
        alerts: Alerts for this sink: those that waited when the spool was opened and all since.
        filtered: Alerts that the sink did not want.
        cursor: All alerts up to this one are settled.
        taken: All up to this one were read; those after `cursor` are in the sink's hands.
        last: The newest alert.
        dated: The `cursor` that `since` is of.
        since: When the oldest alert that waits was appended, ns since the epoch; None: none waits.
    """

    __slots__ = (
        "_floor",
        "_floor_reason",
        "alerts",
        "cursor",
        "dated",
        "filtered",
        "last",
        "name",
        "since",
        "taken",
    )

    def __init__(self, name: str, cursor: int, last: int) -> None:
        """A claim to all after a place.

        Args:
            name: Name of the sink.
            cursor: What it has settled.
            last: The newest alert there is, at least `cursor`.
        """
        self.name = name
        self.alerts = Counters(received=last - cursor)
        self.filtered = 0
        self.cursor = cursor
        self.taken = cursor
        self.last = last
        self.dated = cursor
        self.since: int | None = None
        self._floor = cursor
        self._floor_reason = ""

    @property
    def waiting(self) -> int:
        """Alerts that are not settled yet."""
        return self.taken - self.cursor + self.last - max(self.taken, self._floor)

    def extend(self, alerts: int) -> None:
        """More alerts were appended."""
        self.last += alerts
        self.alerts.received += alerts

    def resting(self, through: int) -> int:
        """What `cursor` would be after `lose(through)`."""
        return max(self.cursor, through) if self.cursor == self.taken else self.cursor

    def lose(self, through: int, reason: str) -> int:
        """All alerts up to one are gone; those in the sink's hands are still its own.

        Returns:
            How many were lost to this sink by that.
        """
        lost = max(0, through - max(self.taken, self._floor))
        self._drop(reason, lost)
        if through > self._floor:
            self._floor, self._floor_reason = through, reason
        self._advance()
        return lost

    def take(self, through: int) -> None:
        """Alerts up to this one are in the sink's hands."""
        self.taken = through

    def settle(self, through: int, outcome: Outcome) -> None:
        """Alerts up to this one need no second try.

        Raises:
            ValueError: they were never taken, or the outcome is of more alerts than these.
        """
        if through <= self.cursor:
            return
        passed = through - self.cursor - outcome.filtered - sum(outcome.dropped.values())
        if through > self.taken or passed < 0:
            raise ValueError(f"{self.name}: no such alerts to settle: through {through}")
        self.alerts.passed += passed
        self.filtered += outcome.filtered
        for reason, alerts in outcome.dropped.items():
            self._drop(reason, alerts)
        self.cursor = through
        self._advance()

    def release(self) -> int:
        """Give what was taken and is not settled back.

        Returns:
            How many of these were lost meanwhile.
        """
        lost = max(0, min(self.taken, self._floor) - self.cursor)
        self._drop(self._floor_reason, lost)
        self.cursor += lost
        self.taken = self.cursor
        self._advance()
        return lost

    def abandon(self, after: int, reason: str) -> int:
        """The newest alerts, those after a place, will not be there next time.

        Returns:
            How many of them were not settled.
        """
        lost = max(0, self.last - max(after, self.taken, self._floor))
        self._drop(reason, lost)
        self.last -= lost
        return lost

    def _advance(self) -> None:
        if self.cursor == self.taken:
            self.taken = max(self.taken, self._floor)  # first: others may look meanwhile
            self.cursor = self.taken

    def _drop(self, reason: str, alerts: int) -> None:
        if alerts:
            self.alerts.dropped[reason] = self.alerts.dropped.get(reason, 0) + alerts
