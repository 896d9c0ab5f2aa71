"""The alerts of the past: what each said, the flow it was opened by, and what people made of it.

`history.db` lies beside `state.db`. The agent appends, in one transaction a batch of alerts and
without waiting for the disk (write-ahead log, `synchronous = NORMAL`: an end of the process at any
instant loses nothing that was committed, a loss of power the last transactions). Commands read it
and store verdicts while the agent runs.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog

from metatap.alerts import Alert, AlertKind
from metatap.counters import Counters
from metatap.errors import StateError
from metatap.state.damage import FAULTS, UnusableError, is_broken, set_aside
from metatap.state.history_file import connect
from metatap.state.history_read import DAMAGE, Newest, Wanted, ids_of, newest_of
from metatap.state.stored import INSERT, Judgement, Stored, row_of
from metatap.yamlfile import shown

FILE = "history.db"

MAX_ALERTS = 100_000
"""Alerts kept, the newest."""

MAX_WAITING = 1_000
"""Alerts that wait for a file that is locked or full, at most."""

MAX_NOTE = 1_000
"""Characters of a note, at most."""

NOT_WRITTEN = "not_written"
"""Reason for alerts that could not be kept: the file is locked, full or broken for too long."""

_LOCKED_S = 0.05
"""Seconds the agent waits for a file that is locked."""

_COMMAND_S = 5.0
"""Seconds a command waits for it."""

_PREFIX = re.compile(r"[0-9a-f]{4,32}")
log = structlog.get_logger(__name__)


class AlertHistory:
    """The `opened` alerts of one sensor, the newest ones.

    Attributes:
        path: The file.
        alerts: Alerts given to `add` that were kept, or dropped and why.
        dropped: What could not be read when the file was opened, one line each.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self.path = path
        self.alerts = Counters()
        self.dropped: list[str] = []
        self._limit = limit
        self._connection: sqlite3.Connection | None = None
        self._waiting: list[tuple[Any, ...]] = []

    @classmethod
    def open(cls, folder: Path, *, limit: int = MAX_ALERTS) -> AlertHistory:
        """Open the history for the agent that writes it.

        A file that is no history, or one of another schema, is set aside and named in `dropped`.

        Args:
            folder: Folder of the state; made if it is not there.
            limit: Alerts kept, at most.

        Raises:
            StateError: the file can't be made or written.
        """
        history = cls(folder / FILE, limit)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                history._connect(_LOCKED_S)
            except UnusableError as error:
                history._set_aside(str(error))
                history._connect(_LOCKED_S)
        except (OSError, *FAULTS, UnusableError) as error:
            history.close()
            raise StateError(f"{history.path}: can't be opened: {error}") from None
        return history

    @classmethod
    def look(cls, folder: Path) -> AlertHistory:
        """Open a history that is there, for a command beside the agent.

        Raises:
            StateError: there is none, or it can't be read.
        """
        history = cls(folder / FILE, MAX_ALERTS)
        if not history.path.is_file():
            raise StateError(f"{history.path}: no such file: no agent has kept alerts there")
        try:
            history._connect(_COMMAND_S)
        except (OSError, *FAULTS, UnusableError) as error:
            history.close()
            raise StateError(f"{history.path}: can't be read: {error}") from None
        return history

    def add(self, alerts: Sequence[Alert], lines: Sequence[bytes]) -> None:
        """Keep the `opened` ones of some alerts; never fails, what can't be kept is counted.

        Args:
            alerts: In the order they were made.
            lines: Each as it was written, by `encode_ecs`.
        """
        opened = [
            row_of(alert, line)
            for alert, line in zip(alerts, lines, strict=True)
            if alert.kind is AlertKind.OPENED
        ]
        if opened:
            self._waiting += opened
            self.flush()

    def flush(self) -> None:
        """Write what waits; what the file does not take waits on, as far as there is room."""
        if not self._waiting:
            return
        try:
            try:
                self._write()
            except FAULTS as error:
                if not is_broken(error):
                    raise
                self._begin_anew(str(error))
                self._write()
        except (sqlite3.IntegrityError, sqlite3.DataError) as error:
            self._drop(len(self._waiting), str(error))
        except (OSError, *FAULTS, UnusableError) as error:
            self._drop(len(self._waiting) - MAX_WAITING, str(error))

    def find(self, text: str) -> Stored:
        """The newest `opened` event of an alert.

        Args:
            text: Id of the alert or of the event, or its first digits, at least four.

        Raises:
            StateError: there is none, there are several, or the file can't be read.
        """
        if not _PREFIX.fullmatch(text):
            raise StateError(f"{shown(text)}: must be 4 to 32 hexadecimal digits of an alert's id")
        try:
            ids = ids_of(self._open(), text, _SHOWN + 1)
            if len(ids) > 1:
                more = " …" if len(ids) > _SHOWN else ""
                raise StateError(f"{text}: several alerts: {', '.join(ids[:_SHOWN])}{more}")
            if not ids:
                raise StateError(f"{text}: no such alert in {self.path}")
            return newest_of(self._open(), ids[0])
        except DAMAGE as error:
            raise StateError(f"{self.path}: can't be read: {error}") from None

    def newest(self, wanted: Wanted) -> Newest:
        """The newest alerts of some kind, one by one; the file must stay open meanwhile.

        Raises:
            StateError: the file can't be read; the iterator does so too.
        """
        try:
            return Newest(self._open(), wanted)
        except sqlite3.Error as error:
            raise StateError(f"{self.path}: can't be read: {error}") from None

    def judge(self, alert: str, judgement: Judgement) -> None:
        """Store a verdict on an alert, in place of an earlier one.

        Args:
            alert: Id of the alert, in full.
            judgement: The verdict.

        Raises:
            StateError: it can't be written, or the note is too long.
        """
        if len(judgement.note) > MAX_NOTE:
            raise StateError(f"a note of {len(judgement.note)} characters, at most {MAX_NOTE}")
        verdict = (alert, judgement.at, judgement.verdict.value, judgement.note)
        try:
            with self._open() as connection:
                connection.execute("INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?)", verdict)
                connection.execute(
                    "DELETE FROM verdicts WHERE rowid <= (SELECT max(rowid) FROM verdicts) - ?",
                    (MAX_ALERTS,),
                )
        except (sqlite3.Error, UnicodeEncodeError) as error:
            raise StateError(f"{self.path}: can't be written: {error}") from None

    def close(self) -> None:
        """Write what waits and free the file; what can't be written now is dropped. Idempotent."""
        self.flush()
        self._drop(len(self._waiting), "the history is closed")
        self._disconnect()

    def _drop(self, alerts: int, why: str) -> None:
        """Give up the oldest of those that wait."""
        if alerts <= 0:
            return
        del self._waiting[:alerts]
        self.alerts.drop(NOT_WRITTEN, alerts)
        log.warning("history_dropped", reason=NOT_WRITTEN, alerts=alerts, detail=why)

    def _begin_anew(self, why: str) -> None:
        """Set a file that broke while it was open aside, and make a new one."""
        self._disconnect()
        self._set_aside(why)
        self._connect(_LOCKED_S)

    def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise sqlite3.OperationalError("the history is closed")
        return self._connection

    def _connect(self, wait: float) -> None:
        self._connection = connect(self.path, wait)

    def _set_aside(self, why: str) -> None:
        aside = set_aside(self.path)
        self.dropped.append(f"{FILE}: {why}; set aside as {aside.name}")
        log.warning("history_set_aside", file=str(aside), reason=why)

    def _write(self) -> None:
        with self._open() as connection:
            connection.executemany(INSERT, self._waiting)
            connection.execute(
                "DELETE FROM alerts WHERE seq <= (SELECT max(seq) FROM alerts) - ?", (self._limit,)
            )
        self.alerts.passes(len(self._waiting))
        self._waiting.clear()


_SHOWN = 5
"""Alerts named in a message, at most."""
