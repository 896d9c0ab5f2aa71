"""The spool's file as something that may fail: tried again, opened anew, set aside."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import structlog

from metatap.sinks.append import FULL
from metatap.spool.database import Database
from metatap.spool.reasons import DISK_FULL, WRITE_FAILED
from metatap.spool.seldom import Seldom
from metatap.state.damage import FAULTS, UnusableError, is_broken, remove, set_aside

RETRY_S = 1.0
"""Pause between two tries to write, after one failed."""

_FAULTS = (OSError, UnusableError, *FAULTS)
_T = TypeVar("_T")

log = structlog.get_logger(__name__)


class Disk:
    """Runs work on the file; what fails is logged and counted, never raised.

    Attributes:
        failing: Why nothing can be written at present, `disk_full` or `write_failed`; "": it can.
        set_aside: Names of damaged files that were set aside, and why.
    """

    def __init__(
        self, path: Path, renewed: Callable[[], None], monotonic: Callable[[], float]
    ) -> None:
        """A file that is not open yet.

        Args:
            path: The file.
            renewed: Called when a new, empty file has taken the place of a damaged one.
            monotonic: Clock of the pauses, s.
        """
        self.failing = ""
        self.set_aside: list[str] = []
        self._path = path
        self._renewed = renewed
        self._monotonic = monotonic
        self._database: Database | None = None
        self._retry_at = 0.0
        self._said = False
        self._seldom = Seldom(monotonic)

    def open(self) -> Database:
        """Open the file and look at all of it; a damaged one is set aside.

        Raises:
            UnusableError: a new one can't be made.
            sqlite3.Error: it can't be read or written, or another process has it.
            OSError: likewise.
        """
        try:
            self._database = Database.open(self._path, check=True)
        except UnusableError as error:
            self._replace(str(error))
        return self._opened()

    def write(self, work: Callable[[Database], None], *, at_once: bool = False) -> bool:
        """Do work that writes; whether it was done.

        Args:
            work: Changes nothing but the file before its transaction has ended.
            at_once: Do not keep to the pause after a try that failed.
        """
        if self.failing and not at_once and self._monotonic() < self._retry_at:
            return False
        try:
            self._run(work)
        except _FAULTS as error:
            self._fail(error)
            return False
        if self.failing:
            self.failing = ""
            if self._said:
                self._said = False
                log.info("spool_recovered", file=str(self._path))
        return True

    def read(self, work: Callable[[Database], _T], default: _T) -> _T:
        """Do work that reads; the default if the file can't be read now."""
        if self._database is None and self._monotonic() < self._retry_at:
            return default
        try:
            return self._run(work)
        except _FAULTS as error:
            self._fail(error)
            return default

    def discard(self) -> None:
        """Delete the file, in which nothing is of use any more; the next write makes a new one.

        On a full disk that is the only way to free room: SQLite's log needs some to delete.
        """
        self.close()
        try:
            remove(self._path)
        except OSError as error:
            self._fail(error)

    def close(self) -> None:
        """Free the file; idempotent."""
        database, self._database = self._database, None
        if database is not None:
            database.close()

    def _run(self, work: Callable[[Database], _T]) -> _T:
        try:
            return work(self._opened())
        except (UnusableError, *FAULTS) as error:
            if not isinstance(error, UnusableError) and not is_broken(error):
                raise
            self._replace(str(error))
            self._renewed()
        return work(self._opened())

    def _opened(self) -> Database:
        if self._database is None:
            self._database = Database.open(self._path, check=False)
        return self._database

    def _replace(self, why: str) -> None:
        """Set a damaged file aside and make a new one."""
        self.close()
        aside = set_aside(self._path)
        self.set_aside.append(f"{self._path.name}: {why}; set aside as {aside.name}")
        log.error("spool_set_aside", file=str(aside), reason=why)
        self._database = Database.open(self._path, check=False)

    def _fail(self, error: Exception) -> None:
        """Try again later; but for a full disk, with the file opened anew."""
        self._retry_at = self._monotonic() + RETRY_S
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        is_full = code == sqlite3.SQLITE_FULL or getattr(error, "errno", None) in FULL
        self.failing = DISK_FULL if is_full else WRITE_FAILED
        if not is_full:
            self.close()
        times = self._seldom.due(self.failing)
        self._said = times > 0 or self._said
        if times:
            log.error(
                "spool_failed",
                file=str(self._path),
                reason=self.failing,
                error=str(error),
                times=times,
            )
