"""Alerts that wait for their places, on the disk before `append` returns."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from metatap.errors import StateError
from metatap.spool.alert_queue import AlertQueue
from metatap.spool.claim import Claim, Outcome
from metatap.spool.entry import MAX_BODY, Entry
from metatap.spool.reasons import CLOSED, SPOOL_FULL, TOO_BIG
from metatap.spool.room import MIN_BYTES, WhenFull
from metatap.spool.seldom import Seldom
from metatap.state.damage import UnusableError

FILE = "spool.db"

_LOOK_S = 0.2
"""Seconds between two looks whether the agent is to end."""

log = structlog.get_logger(__name__)


class Spool:
    """A queue with one reader a sink; usable from several threads.

    Attributes:
        path: The file.
        blocked_s: Seconds that `append` has waited for room.
        is_blocked: It does so now.
        waiting: Called again and again while it does, e.g. to tell that nothing hangs.
    """

    def __init__(
        self,
        path: Path,
        sinks: Sequence[str],
        *,
        max_bytes: int,
        when_full: WhenFull,
        stop: threading.Event | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        """Open a spool, made if it is not there; a damaged one is set aside and logged.

        Args:
            path: The file; its folder is made, for this user only.
            sinks: Who is to get the alerts, as for `configure`.
            max_bytes: Bytes of the file, at least `MIN_BYTES`; its log comes on top, about 4 MiB.
            when_full: What happens to alerts beyond.
            stop: Set when the agent is to end: then nothing waits for room.
            monotonic: Clock of the pauses, s.
            now: Clock of `Entry.at`, ns since the epoch.

        Raises:
            StateError: it can't be made or written, or another agent has it.
        """
        if max_bytes < MIN_BYTES:
            raise ValueError(f"a spool of {max_bytes} bytes, at least {MIN_BYTES}")
        self.path = path
        self.blocked_s = 0.0
        self.is_blocked = False
        self.waiting: Callable[[], object] = lambda: None
        self._blocks = when_full is WhenFull.BLOCK
        self._stop = stop or threading.Event()
        self._monotonic = monotonic
        self._now = now
        self._changed = threading.Condition(threading.RLock())
        self._seldom = Seldom(monotonic)
        self._is_closed = False
        try:
            self._queue = AlertQueue(path, max_bytes, when_full, monotonic, now)
        except (OSError, sqlite3.Error, UnusableError) as error:
            raise StateError(f"{path}: can't be opened: {error}") from None
        self.configure(sinks)

    @property
    def claims(self) -> dict[str, Claim]:
        """Name of each sink → how far it has come, and what became of its alerts; to be read."""
        return self._queue.claims

    @property
    def forgotten(self) -> dict[str, int]:
        """Name of a sink that is no longer configured → alerts that still waited for it."""
        return self._queue.forgotten

    @property
    def set_aside(self) -> list[str]:
        """Damaged files that were set aside, and why."""
        return self._queue.disk.set_aside

    @property
    def failing(self) -> str:
        """Why nothing can be written now, `disk_full` or `write_failed`; "": it can."""
        return self._queue.disk.failing

    @property
    def size(self) -> int:
        """Bytes of the file that are in use."""
        return self._queue.size

    @property
    def depth(self) -> int:
        """Alerts that wait for the sink that is furthest behind."""
        return max((claim.waiting for claim in self.claims.values()), default=0)

    @property
    def held(self) -> int:
        """Alerts that are in memory alone, since the disk does not take them or it is full."""
        return len(self._queue.held)

    def age_s(self, sink: str | None = None) -> float:
        """Seconds since the oldest alert that waits was appended, by the wall clock; ≥ 0.

        Args:
            sink: For this sink; None: for any.
        """
        claims = self.claims.values() if sink is None else (self.claims[sink],)
        since = [at for at in [claim.since for claim in claims] if at is not None]
        return max(0.0, (self._now() - min(since)) / 1e9) if since else 0.0

    def configure(self, sinks: Sequence[str]) -> None:
        """Say who is to get the alerts; the `Delivery` of one that goes must have ended.

        A new sink begins with the oldest alert that is kept, so that one that was renamed loses
        nothing. What waited for one that goes is given up, logged and counted in `forgotten`.

        Args:
            sinks: Names; each once. Without any, alerts are not kept.
        """
        if len(set(sinks)) != len(sinks):
            raise ValueError(f"two sinks of one name: {sorted(sinks)}")
        with self._changed:
            self._queue.configure(sinks)
            self._sync(at_once=True)

    def append(self, lines: Sequence[bytes]) -> None:
        """Take alerts for all sinks; on the disk when it returns, unless the disk fails.

        What a failing disk does not take is held in memory, up to `MAX_HELD_BYTES`, delivered from
        there and written later; beyond, new alerts are dropped. Never raises.

        Args:
            lines: ECS JSON, one an element, without line ends.
        """
        with self._changed:
            for line in lines if self.claims else ():
                self._take(line)
            self._sync()
            self._changed.notify_all()
            self._await_room()

    def retry(self) -> None:
        """Try again to write what is held, if the pause is over; costs nothing otherwise."""
        with self._changed:
            self._sync()

    def read(self, sink: str, limit: int, max_bytes: int) -> list[Entry]:
        """Take the oldest alerts that a sink has not settled, in their order.

        What it had taken before and not settled comes again. A record whose bytes are not those
        that were written, or that is gone, is skipped and counted as `corrupt` or `missing`.

        Args:
            sink: Its name.
            limit: Alerts, at most.
            max_bytes: Bytes of their bodies, at most; one alert is read in any case.

        Returns:
            None if nothing waits, all were skipped or the disk can't be read now: ask again.
        """
        with self._changed:
            if self._is_closed:
                return []
            return self._queue.read(self.claims[sink], limit, max_bytes)

    def ack(self, sink: str, seq: int, outcome: Outcome | None = None) -> None:
        """A sink is done with all alerts up to one; what all sinks are done with is deleted.

        The disk is not waited for: after a loss of power the last ones are read again.

        Args:
            sink: Its name.
            seq: An alert that it has read.
            outcome: Those that were not delivered; None: all were.

        Raises:
            ValueError: it has not read that alert, or the outcome is of more alerts than these.
        """
        with self._changed:
            self.claims[sink].settle(seq, outcome or Outcome())
            self._sync()
            self._changed.notify_all()

    def release(self, sink: str) -> None:
        """A sink will not settle what it has taken; that is read again next time."""
        with self._changed:
            if sink in self.claims:
                self._queue.release(self.claims[sink])

    def wait(self, sink: str, timeout: float) -> bool:
        """Wait until there is something to read; ended early by `wake`.

        Args:
            sink: Its name.
            timeout: Seconds.

        Returns:
            Whether there is.
        """
        with self._changed:
            claim = self.claims[sink]
            if not claim.waiting and not self._is_closed:
                self._changed.wait(timeout)
            return claim.waiting > 0

    def wake(self) -> None:
        """End every `wait`."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Write what is held or count it as dropped, and free the file; idempotent."""
        with self._changed:
            if not self._is_closed:
                self._queue.close()
                self._is_closed = True
                self._changed.notify_all()

    def _sync(self, *, at_once: bool = False) -> None:
        if not self._is_closed:
            self._queue.sync(at_once=at_once)

    def _take(self, line: bytes) -> None:
        held = self._queue.held
        if not held.has_room(len(line)):
            self._sync()
            self._await_room()
        if self._is_closed:
            self._queue.refuse(CLOSED)
        elif len(line) > MAX_BODY:
            self._queue.refuse(TOO_BIG)
        elif not held.has_room(len(line)):
            self._queue.refuse(self.failing or SPOOL_FULL)
        else:
            self._queue.add(line)

    def _await_room(self) -> None:
        """Wait until a full spool has taken what is held, or the agent is to end."""
        if not self._blocks or not self._can_wait():
            return
        self.is_blocked = True
        if times := self._seldom.due("blocked"):
            log.warning("spool_blocked", file=str(self.path), times=times)
        begin, before = self._monotonic(), self.blocked_s
        while self._can_wait():
            self._changed.wait(_LOOK_S)
            self._sync()
            self.waiting()
            self.blocked_s = before + self._monotonic() - begin
        self.is_blocked = False

    def _can_wait(self) -> bool:
        is_over = self._is_closed or self._stop.is_set() or self.failing
        return len(self._queue.held) > 0 and not is_over
