"""Brings the lines of dns, http, ssl and ssh to their conn lines, without holding a log.

Zeek writes a line of a log when it knows all of it, so the lines of all logs stand in the order
they were written, and none of a connection is much later than the end of that connection. Conn
lines come in batches; before one is joined, each other log is read on to the first line whose `ts`
is later than the end of the batch's last connection and some slack. Everything written earlier has
been read then, whatever disorder there is in `ts`, which is the begin of what a line tells.

A wrong `ts` far in the future makes the logs be read ahead to `max_pending` connections. There the
reading stops, unless the longest waiting came before one that has been joined (its conn line is not
likely to come), or the log lags behind conn: then the longest waiting is given up. Logs without
`ts` lag behind if a whole batch found no line.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from statistics import median_low
from typing import Any

from metatap.sources.logs.faults import LineError
from metatap.sources.logs.options import LogOptions
from metatap.sources.logs.pending import Pending
from metatap.sources.logs.stream import LogStream, OnFault, Place
from metatap.sources.logs.summaries import Summary

LOOK = 8
"""Records looked at before a log is left: one with a wrong time must not hold up those behind."""

Joined = list[dict[str, Summary]]
"""For each conn line of a batch: log → summary; only logs that have lines of it."""

_NOTHING: dict[str, Summary] = {}


class _Follower:
    """One of the other logs, read on as the conn log goes on.

    Attributes:
        log: Log name.
        ahead: The next lines with their files and numbers, at most `LOOK` of them.
    """

    def __init__(self, log: str, stream: LogStream) -> None:
        self.log = log
        self.ahead: deque[tuple[Any, str, int]] = deque()
        self._stream = stream
        self._lines: Iterator[Any] = stream.records()

    def look(self) -> deque[tuple[Any, str, int]]:
        """The next lines, which stay the next ones; none at the end of the folder."""
        ahead, place = self.ahead, self._stream.place
        while len(ahead) < LOOK:
            line = next(self._lines, False)
            if line is False:
                break
            if line is not None:
                ahead.append((line, place.file, place.line))
        return ahead


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

    def join(
        self, conn: Sequence[Any], capture: str, ended: set[str], passed: Callable[[int], None]
    ) -> Joined:
        """The summaries of a batch of conn lines of one capture.

        Args:
            conn: n lines of conn.log, structs of `layout`.
            capture: Their capture.
            ended: Captures that had ended before.
            passed: Told the number of lines used.
        """
        until = self._set_clock(conn)
        for follower in self._followers:
            self._read_on(follower, until, capture, ended)
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

    def drain(self, capture: str, give_up: Callable[[int], None]) -> None:
        """Read the rest of the folder: lines of the last capture wait on, others are given up."""
        for follower in self._followers:
            while follower.look():
                line, _, _ = follower.ahead.popleft()
                if (line.capture or "") == capture:
                    self.pending.add(follower.log, line)
                else:
                    give_up(1)

    def _set_clock(self, conn: Sequence[Any]) -> float | None:
        """Set the clock to the middle of the batch; how far the other logs are to be read."""
        ends = [
            line.ts if line.duration is None else line.ts + line.duration
            for line in conn
            if line.ts is not None
        ]
        self.pending.clock = median_low(ends) if ends else None
        return max(ends) + self._options.slack_s if ends else None

    def _read_on(
        self, follower: _Follower, until: float | None, capture: str, ended: set[str]
    ) -> None:
        pending = self.pending
        room = 0 if self._joins else self._options.batch_rows

        def due(line: Any) -> bool:
            of = line.capture or ""
            if of != capture:
                return of in ended
            return line.ts is None or until is None or bool(line.ts <= until)

        while ahead := follower.look():
            line, file, number = ahead[0]
            if not due(line) and not any(due(later) for later, _, _ in ahead):
                return
            if (line.capture or "") != capture:
                fault = LineError("capture_order", "capture", "not the capture that is read")
                self._on_fault(Place(follower.log, file, number), fault)
                ahead.popleft()
                continue
            if pending.full(line.uid) and not pending.passed_over():
                late = (
                    line.ts is not None and pending.clock is not None and line.ts <= pending.clock
                )
                if not late and (line.ts is not None or not room):
                    return
                room -= not late
            ahead.popleft()
            pending.add(follower.log, line)
