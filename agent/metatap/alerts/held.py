"""The aggregates that are held: open ones until their deadline, closed ones for late hits."""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Iterator

from metatap.alerts.aggregation import Aggregate
from metatap.alerts.flow_time import FlowTime
from metatap.alerts.folding import Key, Origins

CLOSED_SHARE = 10
"""Of `max_open` aggregates, one in so many may be closed and held for late hits."""

MIN_REVISIONS = 1024
"""Revisions of forgotten aggregates that are remembered; `max_open` if that is more."""


class Held:
    """A bounded store of aggregates with a queue of their deadlines.

    Attributes:
        origins: The originators of those held.
    """

    def __init__(self, max_open: int, max_pairs: int, window: int, time: FlowTime) -> None:
        """An empty store.

        Args:
            max_open: Aggregates held, at most.
            max_pairs: Destinations of one originator with an aggregate of their own, at most.
            window: Length of a window, ns.
            time: What time it is.
        """
        self.origins = Origins(max_pairs)
        self._max_open = max_open
        self._window = window
        self._time = time
        self._all: OrderedDict[Key, Aggregate] = OrderedDict()
        self._closed: OrderedDict[Key, None] = OrderedDict()
        self._revisions: OrderedDict[Key, int] = OrderedDict()
        self._due: dict[bool, list[tuple[int, int, Key]]] = {True: [], False: []}
        self._serial = 0

    def __len__(self) -> int:
        """Open aggregates."""
        return len(self._all) - len(self._closed)

    def get(self, key: Key) -> Aggregate | None:
        """The aggregate of a key, open or closed."""
        return self._all.get(key)

    def place(self, key: Key) -> Key:
        """Where the hits of a pair go: into its own aggregate or its originator's fold."""
        return key if key in self._all else self.origins.place(key)

    def revision(self, key: Key) -> int:
        """The first revision of a new aggregate: beyond those of one forgotten before."""
        return self._revisions.pop(key, 0)

    def put(self, key: Key, aggregate: Aggregate) -> None:
        """Hold a new aggregate; there must be room."""
        self._all[key] = aggregate
        self.origins.hold(key)

    def make_room(self) -> Aggregate | None:
        """Drop the oldest aggregate if there is no place for a further one.

        Returns:
            The one dropped if it was open.
        """
        if len(self._all) < self._max_open:
            return None
        if self._closed:
            self._forget(next(iter(self._closed)))
            return None
        key, aggregate = next(iter(self._all.items()))
        self._forget(key)
        return aggregate

    def reopen(self, key: Key, aggregate: Aggregate) -> None:
        """A closed aggregate goes on."""
        aggregate.is_open = True
        aggregate.revision += 1
        del self._closed[key]

    def close(self, key: Key, aggregate: Aggregate) -> None:
        """An open aggregate is held for late hits only."""
        aggregate.is_open = False
        aggregate.serial = 0
        self._closed[key] = None
        if len(self._closed) > max(self._max_open // CLOSED_SHARE, 1):
            self._forget(next(iter(self._closed)))

    def clear(self) -> list[Aggregate]:
        """Forget all; those that were open."""
        still = [aggregate for aggregate in self._all.values() if aggregate.is_open]
        for key in [*self._all]:
            self._forget(key)
        self._due = {True: [], False: []}
        return still

    def forget(self, key: Key) -> None:
        """Hold an open aggregate no more, without a summary."""
        self._forget(key)

    def open(self) -> list[tuple[Key, Aggregate]]:
        """The open aggregates, oldest first."""
        return [(key, one) for key, one in self._all.items() if one.is_open]

    def postpone(self, key: Key, aggregate: Aggregate) -> None:
        """Set an aggregate's deadline after a hit, and queue it if it is not."""
        now = self._time.now(timed=aggregate.timed)
        rest = aggregate.opened.window_start + self._window - now
        deadline = now + min(max(rest, 0), self._window) + self._window
        aggregate.deadline = max(aggregate.deadline, deadline)
        if not aggregate.serial:
            self._queue(key, aggregate)

    def due(self, now: int | None) -> Iterator[tuple[Key, Aggregate]]:
        """The open aggregates whose time is over, by deadline; each must be closed at once.

        Args:
            now: Flow time, ns since the epoch; what the flows and the clocks say if None.
        """
        for timed, due in self._due.items():
            if not due:
                continue
            limit = self._time.now(timed=timed) if now is None else now
            while due and due[0][0] <= limit:
                entry = heapq.heappop(due)
                aggregate = self._all.get(entry[2])
                if aggregate is None or aggregate.serial != entry[1]:
                    continue
                if aggregate.deadline > limit:
                    self._queue(entry[2], aggregate)
                else:
                    yield entry[2], aggregate

    def _queue(self, key: Key, aggregate: Aggregate) -> None:
        """Queue a deadline; one that has moved on is queued anew when it comes up."""
        self._serial += 1
        aggregate.serial = self._serial
        due = self._due[aggregate.timed]
        heapq.heappush(due, (aggregate.deadline, aggregate.serial, key))
        if len(due) > 2 * self._max_open:
            due[:] = [entry for entry in due if self._is_queued(entry)]
            heapq.heapify(due)

    def _is_queued(self, entry: tuple[int, int, Key]) -> bool:
        aggregate = self._all.get(entry[2])
        return aggregate is not None and aggregate.serial == entry[1]

    def _forget(self, key: Key) -> None:
        """Hold an aggregate no more; of the last ones, the revision is remembered."""
        aggregate = self._all.pop(key)
        self._closed.pop(key, None)
        self.origins.drop(key)
        aggregate.release()
        self._revisions[key] = aggregate.revision + 1
        if len(self._revisions) > max(self._max_open, MIN_REVISIONS):
            self._revisions.popitem(last=False)
