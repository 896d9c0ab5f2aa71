"""Brings the lines of dns, http, ssl and ssh to their conn lines, without holding a log.

Zeek writes a line of a log when it knows all of it, so the lines of all logs stand in the order
they were written, and none of a connection is much later than the end of that connection. Conn
lines come in batches; before one is joined, each other log is read on to the first line whose `ts`
is later than the end of the batch's last connection and some slack. Everything written earlier has
been read then, whatever disorder there is in `ts`, which is the begin of what a line tells.

The slack is given up first: where half of `max_pending` connections wait, a log is read no further
than the end of the batch, so that lines which may be late push out none that wait for a long
connection. At `max_pending` the reading stops, unless the longest waiting came before one that has
been joined (its conn line is not likely to come), or the log lags behind conn: then the longest
waiting is given up. A wrong `ts` far in the future has no other effect. Logs without `ts` lag
behind if a whole batch found no line.

A log that begins a capture while conn reads another stops there, unless lines of the one that is
read follow within `LOOK_FAR`: then conn has no line of the capture between.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from statistics import median_low
from typing import Any

import msgspec

from metatap.sources.logs.faults import LineError
from metatap.sources.logs.options import LogOptions
from metatap.sources.logs.pending import Pending
from metatap.sources.logs.stream import LogStream, OnFault, Place
from metatap.sources.logs.summaries import Summary

LOOK = 8
"""Records looked at before a log is left: one with a wrong time must not hold up those behind."""

LOOK_FAR = 1024
"""Records looked at for a capture, once."""

LOOK_BYTES = 4 << 20
"""Bytes of such records, as JSON, after which nothing more is looked at."""

Joined = list[dict[str, Summary]]
"""For each conn line of a batch: log → summary; only logs that have lines of it."""

_NOTHING: dict[str, Summary] = {}


class _Follower:
    """One of the other logs, read on as the conn log goes on.

    Attributes:
        log: Log name.
        ahead: The next lines with their files and numbers; none at the end of the folder.
        sought: Capture that was looked for last.
    """

    def __init__(self, log: str, stream: LogStream) -> None:
        self.log = log
        self.ahead: deque[tuple[Any, str, int]] = deque()
        self.sought: str | None = None
        self._stream = stream
        self._known: set[str] = set()  # captures of the lines in `ahead`, or of more
        self._lines: Iterator[Any] = stream.records()

    def look(self, deadline: float) -> bool:
        """Have `LOOK` of the next lines in `ahead`; False if the time is over before."""
        ahead, lines = self.ahead, self._lines
        while len(ahead) < LOOK:
            line = next(lines, False)
            if line:
                place = self._stream.place
                ahead.append((line, place.file, place.line))
            elif line is False:
                break
            elif time.monotonic() >= deadline:
                return False
        return True

    def look_far(self, capture: str, deadline: float) -> int | None:
        """Lines in `ahead` before the first of a capture, 0 if there is none; None in time."""
        if self.sought == capture:
            return 0
        ahead, size = self.ahead, 0
        if len(ahead) <= LOOK:
            self._known = {item[0].capture or "" for item in ahead}
        while len(ahead) < LOOK_FAR and size < LOOK_BYTES:
            line: Any = next(self._lines, False)
            if line:
                place = self._stream.place
                ahead.append((line, place.file, place.line))
                size += len(msgspec.json.encode(line))
                self._known.add(line.capture or "")
            elif line is False:
                break
            elif time.monotonic() >= deadline:
                return None
        self.sought = capture
        if capture not in self._known:
            return 0
        found = (at for at, item in enumerate(ahead) if (item[0].capture or "") == capture)
        return next(found, 0)


class Joiner:
    """Joins the logs of one folder, capture by capture.

    Attributes:
        pending: What waits; goes on from folder to folder.
    """

    def __init__(
        self,
        streams: Sequence[tuple[str, LogStream]],
        pending: Pending,
        options: LogOptions,
        on_fault: OnFault,
    ) -> None:
        """Read nothing yet.

        Args:
            streams: Log and stream of each log but conn.
            pending: What waits from the folder before.
            options: See there.
            on_fault: Told of each line whose capture had ended.
        """
        self.pending = pending
        self._followers = [_Follower(log, stream) for log, stream in streams]
        self._options = options
        self._on_fault = on_fault
        self._joins = True
        self._until: float | None = None
        self._needed: float | None = None
        self._room = 0

    def begin(self, conn: Sequence[Any]) -> None:
        """Begin a batch: set the clock to its middle, and how far the other logs are read.

        Args:
            conn: n lines of conn.log, structs of `layout`.
        """
        ends = [
            line.ts if line.duration is None else line.ts + line.duration
            for line in conn
            if line.ts is not None
        ]
        self.pending.clock = median_low(ends) if ends else None
        self._needed = max(ends) if ends else None
        self._until = max(ends) + self._options.slack_s if ends else None
        self._room = 0 if self._joins else self._options.batch_rows

    def read_on(self, capture: str, ended: set[str], deadline: float) -> bool:
        """Read the other logs as far as the batch needs; False if the time is over before.

        Args:
            capture: The batch's capture.
            ended: Captures that had ended before.
            deadline: By `time.monotonic`.
        """
        return all(self._follow(each, capture, ended, deadline) for each in self._followers)

    def join(self, conn: Sequence[Any], passed: Callable[[int], None]) -> Joined:
        """The summaries of the conn lines of the batch.

        Args:
            conn: As `begin` had them.
            passed: Told the number of lines used.
        """
        joined: Joined = []
        used, pop = 0, self.pending.pop
        for line in conn:
            waiting = pop(line.uid)
            if waiting is None:
                joined.append(_NOTHING)
            else:
                used += waiting.lines
                joined.append(waiting.logs)
        passed(used)
        self._joins = used > 0
        self.pending.age(self._options.max_age_s)
        return joined

    def drain(self, capture: str, give_up: Callable[[int], None], deadline: float) -> bool:
        """Read the rest of the folder: lines of the last capture wait on, others are given up.

        False if the time is over before.
        """
        for follower in self._followers:
            while True:
                if not follower.look(deadline):
                    return False
                if not follower.ahead:
                    break
                line, _, _ = follower.ahead.popleft()
                if (line.capture or "") == capture:
                    self.pending.add(follower.log, line)
                else:
                    give_up(1)
        return True

    def _follow(self, follower: _Follower, capture: str, ended: set[str], deadline: float) -> bool:
        pending, ahead, look = self.pending, follower.ahead, follower.look
        waiting, most = pending.waiting, self._options.max_pending
        while look(deadline):
            if not ahead:
                return True
            line = ahead[0][0]
            if (line.capture or "") != capture:
                other = 1 if (line.capture or "") in ended else follower.look_far(capture, deadline)
                if not other:
                    return other is not None
                self._pass_over(follower, other)
                continue
            reach = self._needed if 2 * len(waiting) >= most else self._until
            ts = line.ts
            if ts is not None and reach is not None and ts > reach:
                behind = (item[0] for item in islice(ahead, LOOK))
                if not any(_due(later, reach, capture, ended) for later in behind):
                    return True
            if pending.full(line.uid) and not pending.passed_over():
                late = ts is not None and pending.clock is not None and ts <= pending.clock
                if not late and (ts is not None or not self._room):
                    return True
                self._room -= not late
            ahead.popleft()
            pending.add(follower.log, line)
        return False

    def _pass_over(self, follower: _Follower, lines: int) -> None:
        for _ in range(lines):
            _, file, number = follower.ahead.popleft()
            fault = LineError("capture_order", "capture", "not the capture that is read")
            self._on_fault(Place(follower.log, file, number), fault)


def _due(line: Any, reach: float, capture: str, ended: set[str]) -> bool:
    """Whether a line is to be read now."""
    of = line.capture or ""
    if of != capture:
        return of in ended
    return line.ts is None or bool(line.ts <= reach)
