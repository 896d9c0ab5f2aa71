"""What waits for its conn line: one summary a connection and log, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import asdict

from metatap.sources.logs.summaries import ADD, Summary


@dataclass(slots=True)
class Waiting:
    """The lines of a connection, as far as they were read.

    Attributes:
        seen: When the last line came, by the clock of the logs; None without one.
        number: Which line that was, of all lines there were.
        lines: How many lines there are.
        logs: Log → their summary.
    """

    seen: float | None = None
    number: int = 0
    lines: int = 0
    logs: dict[str, Summary] = field(default_factory=dict)


class Pending:
    """Connections of one capture whose conn line has not come, the longest waiting first.

    Attributes:
        clock: Time the conn log has come to, seconds since the epoch; None as long as no line
            tells.
        peak: Most connections that ever waited.
        waiting: uid → what waits.
    """

    def __init__(self, most: int, slack_s: float, give_up: Callable[[int], None]) -> None:
        """Nothing waits.

        Args:
            most: Connections that may wait.
            slack_s: A line is believed to have come so many seconds after the clock at most.
            give_up: Told the number of lines given up.
        """
        self.clock: float | None = None
        self.peak = 0
        self._most = most
        self._slack_s = slack_s
        self._number = 0
        self._joined = 0
        self._give_up = give_up
        self.waiting: dict[str, Waiting] = {}

    def __len__(self) -> int:
        return len(self.waiting)

    def full(self, uid: str) -> bool:
        """Whether there is no room for a line of this connection."""
        return len(self.waiting) >= self._most and uid not in self.waiting

    def add(self, log: str, line: Any) -> None:
        """Add a line; gives up the longest waiting connection where there is no room."""
        uid, seen, clock = line.uid, line.ts, self.clock
        # Taken out and put back at the end: the order is that of the last line.
        waiting = self.waiting.pop(uid, None) or Waiting()
        if len(self.waiting) >= self._most:
            self._drop_first()
        if clock is not None:
            if seen is None or seen < clock:
                seen = clock
            elif seen > clock + self._slack_s:
                seen = clock + self._slack_s
        waiting.seen = seen
        self._number += 1
        waiting.number = self._number
        waiting.lines += 1
        waiting.logs[log] = ADD[log](waiting.logs.get(log), asdict(line))
        self.waiting[uid] = waiting
        self.peak = max(self.peak, len(self.waiting))

    def pop(self, uid: str) -> Waiting | None:
        """What is there of a connection whose conn line has come."""
        waiting = self.waiting.pop(uid, None)
        if waiting is not None and waiting.number > self._joined:
            self._joined = waiting.number
        return waiting

    def passed_over(self) -> bool:
        """Whether the longest waiting came before one that has been joined already."""
        return next(iter(self.waiting.values())).number < self._joined

    def age(self, seconds: float) -> None:
        """Give up what has waited longer than so many seconds."""
        if self.clock is None:
            return
        while self.waiting:
            first = next(iter(self.waiting.values()))
            if first.seen is None or first.seen >= self.clock - seconds:
                return
            self._drop_first()

    def clear(self) -> int:
        """Forget all, telling nobody; the number of lines."""
        lines = sum(waiting.lines for waiting in self.waiting.values())
        self.waiting.clear()
        self.clock = None
        return lines

    def _drop_first(self) -> None:
        uid = next(iter(self.waiting))
        self._give_up(self.waiting.pop(uid).lines)
