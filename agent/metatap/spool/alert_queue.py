"""The order of alerts: on the disk, in memory where the disk fails, and how far each sink is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from metatap.spool.claim import Claim
from metatap.spool.database import PAGE, Database
from metatap.spool.disk import Disk
from metatap.spool.entry import Entry, id_of, sort_out
from metatap.spool.held import Held
from metatap.spool.reasons import DAMAGED, DISK_FULL, SPOOL_FULL
from metatap.spool.room import WhenFull, fitting, give_way
from metatap.spool.seldom import Seldom

_STEP = 1_000
"""Alerts written or deleted in one transaction, at most."""

_SHRINK = 1_024
"""Free pages that are kept for what comes, at least; and how many are given back at once."""

log = structlog.get_logger(__name__)


class AlertQueue:
    """Alerts are numbered from 1 without gaps; the newest may be `held` in memory alone.

    Not safe against threads; what the disk can't do is tried again by the next `sync`.

    Attributes:
        claims: Name of each sink → how far it has come.
        forgotten: Name of a sink that is no longer configured → alerts that still waited for it.
        disk: The file.
        held: Alerts that are not in the file yet.
        size: Bytes of the file that are in use.
    """

    def __init__(
        self,
        path: Path,
        max_bytes: int,
        when_full: WhenFull,
        monotonic: Callable[[], float],
        now: Callable[[], int],
    ) -> None:
        """Take over what is in a file, made if it is not there; arguments as of `Spool`.

        Raises:
            UnusableError: a damaged file can't be replaced.
            sqlite3.Error: it can't be read or written, or another process has it.
            OSError: likewise.
        """
        self.claims: dict[str, Claim] = {}
        self.forgotten: dict[str, int] = {}
        self.disk = Disk(path, self._start_over, monotonic)
        self.held = Held()
        self.size = 0
        self._max_bytes = max_bytes
        self._when_full = when_full
        self._now = now
        self._seldom = Seldom(monotonic)
        self._saved: dict[str, int] = {}
        self._oldest = 1
        self._last = 0
        self._is_roomy = False
        try:
            self._begin(self.disk.open())
        except BaseException:
            self.disk.close()
            raise

    def configure(self, sinks: Sequence[str]) -> None:
        """Make claims for new sinks, from the oldest alert that is kept; forget the others."""
        begin = self._settled() if self.disk.failing else self._oldest - 1
        claims = {name: self.claims.get(name) or Claim(name, begin, self._last) for name in sinks}
        for name in self.claims.keys() - claims.keys():
            alerts = self.claims[name].waiting
            self.forgotten[name] = self.forgotten.get(name, 0) + alerts
            log.warning("spool_sink_forgotten", sink=name, alerts=alerts)
        self.claims = claims

    def add(self, line: bytes) -> None:
        """Give an alert the next number and hold it for `sync`."""
        self._last += 1
        self.held.add(Entry(self._last, self._now(), id_of(line), line))
        for claim in self.claims.values():
            claim.extend(1)

    def refuse(self, reason: str) -> None:
        """Count an alert that gets no number as dropped."""
        for claim in self.claims.values():
            claim.alerts.drop(reason)
            self._note_loss(claim, 1, reason)

    def read(self, claim: Claim, limit: int, max_bytes: int) -> list[Entry]:
        """Take the oldest alerts that a sink has not settled; as `Spool.read`."""
        self.release(claim)
        start, on_disk = claim.cursor, self._on_disk()
        found: list[Entry] = []
        if start < on_disk:
            rows = self.disk.read(lambda disk: disk.rows(start, limit, max_bytes), None)
            if rows is None or claim.cursor != start:
                return []
            lost, found = sort_out(rows, start, on_disk)
            for reason, through in lost:
                self._note_loss(claim, claim.lose(through, reason), reason, through)
            self._date(claim)
        reached = found[-1].seq if found else claim.cursor
        if reached >= on_disk:
            size = sum(len(entry.body) for entry in found)
            for entry in self.held.after(reached, limit - len(found)):
                size += len(entry.body)
                if found and size > max_bytes:
                    break
                found.append(entry)
        if found:
            claim.take(found[-1].seq)
        return found

    def release(self, claim: Claim) -> None:
        """A sink gives back what it has taken and not settled."""
        self._note_loss(claim, claim.release(), SPOOL_FULL)
        self._date(claim)

    def sync(self, *, at_once: bool = False) -> None:
        """Bring the file to what is known, as far as it goes.

        Args:
            at_once: Do not keep to the pause after a try that failed.
        """
        self.held.discard_through(self._settled())
        self._write_all(at_once=at_once)
        if self.disk.failing == DISK_FULL and self._oldest <= self._on_disk() <= self._settled():
            self.disk.discard()
            self._oldest = self._on_disk() + 1
            self._write_all(at_once=True)
        if self._is_roomy:
            self.disk.write(self._shrink, at_once=at_once)
        for claim in self.claims.values():
            self._date(claim)

    def close(self) -> None:
        """Write what is held or count it as dropped, and free the file."""
        self.sync(at_once=True)
        if self.held:
            reason, after = self.disk.failing or SPOOL_FULL, self._on_disk()
            for claim in self.claims.values():
                self._note_loss(claim, claim.abandon(after, reason), reason)
        self.disk.close()

    def _begin(self, disk: Database) -> None:
        """Take over what is in the file."""
        self._saved = disk.sinks()
        self._oldest, last = disk.ends()
        self._last = max(last, *self._saved.values(), 0)
        self.claims = {name: Claim(name, at, self._last) for name, at in self._saved.items()}
        self._measure(disk)

    def _start_over(self) -> None:
        """The file was damaged, and what was in it alone is lost."""
        through = self._on_disk()
        self._oldest = through + 1
        for claim in self.claims.values():
            self._note_loss(claim, claim.lose(through, DAMAGED), DAMAGED, through)

    def _settled(self) -> int:
        """The alert up to which all sinks are done."""
        return min((claim.cursor for claim in self.claims.values()), default=self._last)

    def _on_disk(self) -> int:
        """The newest alert that is in the file."""
        first = self.held.first
        return self._last if first is None else first.seq - 1

    def _write_all(self, *, at_once: bool) -> None:
        while self._is_dirty():
            before = len(self.held), self._oldest
            if not self.disk.write(self._write, at_once=at_once):
                return
            if (len(self.held), self._oldest) == before:
                return

    def _is_dirty(self) -> bool:
        if self.held or self._oldest <= min(self._settled(), self._on_disk()):
            return True
        return self._saved != {name: claim.cursor for name, claim in self.claims.items()}

    def _write(self, disk: Database) -> None:
        """Write what is held as far as there is room, and where the sinks are; delete the rest."""
        waiting = self.held.oldest(_STEP)
        settled = min(self._settled(), self._oldest + _STEP - 1)
        gone = 0
        with disk.transaction(durable=bool(waiting)):
            disk.delete_through(settled)
            if self._when_full is WhenFull.DROP_OLDEST:
                gone = give_way(disk, waiting, self._max_bytes)
            waiting = waiting[: fitting(disk, waiting, self._max_bytes)]
            disk.insert(waiting)
            cursors = {name: claim.resting(gone) for name, claim in self.claims.items()}
            disk.save(cursors)
        self._saved = cursors
        self._oldest = max(self._oldest, settled + 1, gone + 1)
        if waiting:
            self.held.discard_through(waiting[-1].seq)
        for claim in self.claims.values():
            self._note_loss(claim, claim.lose(gone, SPOOL_FULL), SPOOL_FULL, gone)
        self._measure(disk)

    def _shrink(self, disk: Database) -> None:
        disk.shrink(_SHRINK)
        self._measure(disk)

    def _measure(self, disk: Database) -> None:
        count, free = disk.pages()
        self.size = (count - free) * PAGE
        self._is_roomy = free > max(_SHRINK, count // 2)

    def _date(self, claim: Claim) -> None:
        """Look up when the oldest alert of a sink was appended, if it is another one by now."""
        if not claim.waiting:
            claim.since = None
        elif claim.since is None or claim.dated != claim.cursor:
            claim.since = self._appended(claim.cursor) or claim.since
        claim.dated = claim.cursor

    def _appended(self, after: int) -> int | None:
        """When the first alert after a place was appended, ns since the epoch."""
        if after < self._on_disk():
            return self.disk.read(lambda disk: disk.appended(after), None)
        return next((entry.at for entry in self.held.after(after, 1)), None)

    def _note_loss(self, claim: Claim, alerts: int, reason: str, through: int = 0) -> None:
        """Log alerts that a sink will not have, at most once a minute a reason."""
        times = self._seldom.due(f"{reason} {claim.name}", alerts) if alerts else 0
        if times:
            log.warning(
                "alerts_dropped", sink=claim.name, reason=reason, alerts=times, through=through
            )
