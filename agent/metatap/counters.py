"""Counting what a stage received, passed on and dropped, so that nothing is lost silently."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """What went through a stage, in one unit (flows, messages, alerts).

    Conservation: once the stage holds nothing back, `received == passed + Σ dropped`.

    Attributes:
        received: Units that came in, those known to be lost on the way included.
        passed: Units handed on.
        dropped: Reason → units not handed on. Reasons are listed in docs/instrumentation.md.
    """

    received: int = 0
    passed: int = 0
    dropped: dict[str, int] = field(default_factory=dict)

    def drop(self, reason: str, units: int = 1) -> None:
        """Count `units` as received and dropped for `reason`."""
        self.received += units
        self.dropped[reason] = self.dropped.get(reason, 0) + units

    def passes(self, units: int) -> None:
        """Count `units` as received and handed on."""
        self.received += units
        self.passed += units

    @property
    def balanced(self) -> bool:
        """Whether received = passed + Σ dropped."""
        return self.received == self.passed + sum(self.dropped.values())
