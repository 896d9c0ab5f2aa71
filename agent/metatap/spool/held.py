"""Alerts that the disk does not have yet: in memory, in their order, bounded."""

from __future__ import annotations

from collections import deque
from itertools import islice, takewhile

from metatap.sinks.backlog import MAX_HELD_BYTES
from metatap.spool.entry import Entry


class Held:
    """A queue of alerts.

    Attributes:
        size: Bytes of their bodies, at most `MAX_HELD_BYTES`.
    """

    def __init__(self) -> None:
        self.size = 0
        self._entries: deque[Entry] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def first(self) -> Entry | None:
        """The oldest one."""
        return self._entries[0] if self._entries else None

    def has_room(self, size: int) -> bool:
        """Whether an alert of so many bytes may be added."""
        return self.size + size <= MAX_HELD_BYTES

    def add(self, entry: Entry) -> None:
        """Queue an alert."""
        self._entries.append(entry)
        self.size += len(entry.body)

    def oldest(self, limit: int) -> list[Entry]:
        """The oldest ones."""
        return list(islice(self._entries, limit))

    def after(self, seq: int, limit: int) -> list[Entry]:
        """Those after a place."""
        first = self.first
        begin = max(0, seq + 1 - first.seq) if first is not None else 0
        return list(islice(self._entries, begin, begin + limit))

    def discard_through(self, seq: int) -> None:
        """Forget those up to a place."""
        for _ in [*takewhile(lambda entry: entry.seq <= seq, self._entries)]:
            self.size -= len(self._entries.popleft().body)
