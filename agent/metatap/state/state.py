"""Named contents in one SQLite file, safe against an end of the process at any instant.

SQLite's write-ahead log (https://sqlite.org/wal.html) makes each `put` whole or absent; a digest
beside each content tells what a disk changed since.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import sqlite3
import threading
from pathlib import Path

import structlog

from metatap.errors import StateError
from metatap.state.damage import ASIDE, FAULTS, UnusableError, is_broken, is_new, set_aside
from metatap.yamlfile import shown

VERSION = 1
"""Of the schema; another one is set aside, not guessed at."""

FILE = "state.db"
LOCK = "lock"
MAX_BYTES = 2**26
"""Of one content."""

MAX_NAMES = 1000
"""Contents kept, at most."""

CHANGED = "its bytes are not those that were kept"

MAX_DROPPED = 100
"""Drops that are listed, at most; all are logged."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_SCHEMA = (
    "CREATE TABLE kept (name TEXT PRIMARY KEY, digest BLOB NOT NULL, content BLOB NOT NULL) "
    "WITHOUT ROWID"
)

log = structlog.get_logger(__name__)


class State:
    """The contents an agent keeps; usable from several threads.

    Attributes:
        folder: Where they are.
        dropped: What could not be read or written, newest last: one line each.
    """

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self.dropped: list[str] = []
        self._lock = lock
        self._guard = threading.RLock()
        self._connection: sqlite3.Connection | None = None

    @classmethod
    def open(cls, folder: Path) -> State:
        """Open the folder, made if it is not there, for this process alone.

        A file that can't be read or has another schema's version is set aside and named in
        `dropped`.

        Raises:
            StateError: the folder can't be made or written, or another agent uses it.
        """
        lock = lock_folder(folder)
        state = cls(folder, lock)
        try:
            state._connect()
        except BaseException:
            state.close()
            raise
        return state

    def put(self, name: str, content: bytes) -> bool:
        """Keep a content under a name, in place of an earlier one.

        Args:
            name: 1 to 64 of `a-z 0-9 _ . -`.
            content: At most `MAX_BYTES`.

        Returns:
            Whether it is on the disk; if not (no room, no permission) the earlier one stays, and
            `dropped` says why.

        Raises:
            ValueError: name or content break the bounds.
        """
        if not _NAME.fullmatch(name) or len(content) > MAX_BYTES:
            raise ValueError(f"{name!r}, {len(content)} bytes: not a name, or too much to keep")
        digest = _digest(name, content)
        with self._guard:
            try:
                try:
                    return self._put(name, digest, content)
                except FAULTS as error:
                    if not is_broken(error):
                        raise
                    self._set_aside(str(error))
                return self._put(name, digest, content)
            except (*FAULTS, StateError) as error:
                self._drop(name, f"not written: {error}")
                return False

    def get(self, name: str) -> bytes | None:
        """The content of a name; None if there is none, or it is not what was kept."""
        with self._guard:
            if self._connection is None:
                return None
            try:
                row = self._connection.execute(
                    "SELECT digest, content FROM kept WHERE name = ?", (name,)
                ).fetchone()
            except FAULTS as error:
                self._drop(name, f"not read: {error}")
                if is_broken(error):
                    try:
                        self._set_aside(str(error))
                    except StateError as worse:
                        self._drop(name, str(worse))
                return None
            if row is None:
                return None
            if not _is_sound(name, *row):
                self._drop(name, CHANGED)
                return None
            content: bytes = row[1]
            return content

    def close(self) -> None:
        """Free file and folder; idempotent."""
        with self._guard:
            self._disconnect()
            if self._lock >= 0:
                os.close(self._lock)
                self._lock = -1

    def _put(self, name: str, digest: bytes, content: bytes) -> bool:
        if self._connection is None:
            self._drop(name, "not written: the state is closed")
            return False
        with self._connection:
            names = self._connection.execute(
                "SELECT count(*) FROM kept WHERE name != ?", (name,)
            ).fetchone()[0]
            if names >= MAX_NAMES:
                raise ValueError(f"{name!r}: {MAX_NAMES} names are kept already")
            self._connection.execute(
                "INSERT INTO kept VALUES (?, ?, ?) ON CONFLICT (name) "
                "DO UPDATE SET digest = excluded.digest, content = excluded.content",
                (name, digest, content),
            )
        return True

    def _connect(self) -> None:
        """Open the file; one that can't be used is set aside, and a new one made."""
        try:
            self._open_file()
        except UnusableError as error:
            self._set_aside(str(error))

    def _open_file(self) -> None:
        path = self.folder / FILE
        try:
            is_empty = is_new(path)
            self._connection = sqlite3.connect(path, timeout=5.0, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._check(is_empty=is_empty)
        except FAULTS as error:
            self._disconnect()
            if is_broken(error):
                raise UnusableError(str(error)) from None
            raise StateError(f"{path}: can't be opened: {error}") from None
        except UnusableError:
            self._disconnect()
            raise
        except OSError as error:
            raise StateError(f"{path}: can't be read: {error.strerror}") from None

    def _check(self, *, is_empty: bool) -> None:
        """Make the table of a new file; see whether an older one is sound.

        Raises:
            UnusableError: it is not.
        """
        connection = self._connection
        if connection is None:  # pragma: no cover - called with one
            return
        if not is_empty:
            self._check_old(connection)
            return
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_SCHEMA)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.commit()

    def _check_old(self, connection: sqlite3.Connection) -> None:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version != VERSION:
            raise UnusableError(f"schema version {version}, this agent reads {VERSION}")
        if (found := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise UnusableError(" ".join(str(found).split()))
        rows = connection.execute("SELECT name, digest, content FROM kept")
        for name in [name for name, *rest in rows if not _is_sound(name, *rest)]:
            self._drop(shown(name), CHANGED)
            connection.execute("DELETE FROM kept WHERE name = ?", (name,))
        connection.commit()

    def _set_aside(self, reason: str) -> None:
        """Move the file away and begin anew."""
        self._disconnect()
        path = self.folder / FILE
        self._drop(FILE, f"set aside as {FILE}{ASIDE}: {reason}")
        try:
            set_aside(path)
        except OSError as error:
            raise StateError(f"{path}: can't be set aside: {error.strerror}") from None
        try:
            self._open_file()
        except UnusableError as error:
            raise StateError(f"{path}: can't be made: {error}") from None

    def _drop(self, name: str, reason: str) -> None:
        log.error("state_dropped", folder=str(self.folder), name=name, reason=reason)
        self.dropped.append(f"{name}: {reason}")
        del self.dropped[:-MAX_DROPPED]

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()


def _digest(name: str, content: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\0" + content).digest()


def _is_sound(name: object, digest: object, content: object) -> bool:
    if not isinstance(name, str) or not isinstance(content, bytes):
        return False
    return _digest(name, content) == digest


def lock_folder(folder: Path) -> int:
    """Make the folder, for this user only, and lock it: the descriptor that holds the lock.

    Raises:
        StateError: it can't be made, or another agent holds the lock.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateError(f"{folder}: can't keep state there: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise StateError(f"{folder}: another agent keeps its state there") from None
    return lock
