"""The SQLite file of the spool: its tables, one transaction at a time."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import structlog

from metatap.spool.entry import Entry, digest_of, row_of
from metatap.state import database
from metatap.state.damage import UnusableError

VERSION = 1
"""Of the schema; another one is set aside, not guessed at."""

PAGE = 4_096
"""Bytes of a page: what of an alert does not fit beside others gets pages of its own."""

LOG_BYTES = 4 * 2**20
"""The write-ahead log is cut to this size when it starts over."""

_SCHEMA = """
CREATE TABLE records (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, id BLOB NOT NULL,
    digest BLOB NOT NULL, body BLOB NOT NULL);
CREATE TABLE sinks (
    name BLOB PRIMARY KEY, acked INTEGER NOT NULL, digest BLOB NOT NULL) WITHOUT ROWID
"""
_SETTINGS = (
    # First, so that there is never a file of shared memory: a full disk has no room for it.
    "locking_mode = EXCLUSIVE",
    f"page_size = {PAGE}",
    "auto_vacuum = INCREMENTAL",
    "secure_delete = FAST",
    "journal_mode = WAL",
    f"journal_size_limit = {LOG_BYTES}",
)
_LOCKED_S = 2.0
"""Seconds to wait for a process that still has the file, e.g. the agent before this one."""

_OVERHEAD = 128
"""Bytes of a record beside its body, at most."""

_ENTRIES_IN_STEP = 1_000

log = structlog.get_logger(__name__)


class Database:
    """The tables; not safe against threads. Everything raises `sqlite3.Error`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def open(cls, path: Path, *, check: bool) -> Database:
        """Open the file, made if it is not there, for this process and user alone.

        Args:
            path: The file; its folder is made.
            check: Look at the whole file for damage.

        Raises:
            UnusableError: it is no spool, broken, or of another schema.
            sqlite3.Error: it can't be read or written, or another process has it.
            OSError: it can't be read.
        """
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        _sync_folder(path.parent)

        def prepare(connection: sqlite3.Connection) -> None:
            connection.isolation_level = None
            connection.text_factory = bytes
            _prepare(connection, check=check)

        return cls(database.connect(path, _LOCKED_S, _SETTINGS, prepare))

    @contextlib.contextmanager
    def transaction(self, *, durable: bool) -> Iterator[None]:
        """All or nothing.

        Args:
            durable: Wait for the disk at the end. Without, a loss of power may undo the
                transaction, and all later ones up to the next durable one; a kill may not.
        """
        self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            raise

    def insert(self, entries: Sequence[Entry]) -> None:
        """Add alerts; one that is there already is the same."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?)", map(row_of, entries)
        )

    def rows(self, after: int, limit: int, max_bytes: int) -> list[Sequence[Any]]:
        """The rows after a place, at least one if there is any.

        Args:
            after: Number of an alert.
            limit: Rows, at most.
            max_bytes: Bytes of their bodies, at most.
        """
        found: list[Sequence[Any]] = []
        size = 0
        with contextlib.closing(
            self._connection.execute(
                "SELECT seq, at, id, digest, body FROM records WHERE seq > ? ORDER BY seq LIMIT ?",
                (after, limit),
            )
        ) as rows:
            for row in rows:
                size += len(row[-1]) if isinstance(row[-1], bytes) else 0
                if found and size > max_bytes:
                    break
                found.append(row)
        return found

    def appended(self, after: int) -> int | None:
        """When the first alert after a place was appended, ns since the epoch."""
        found = self._connection.execute(
            "SELECT at FROM records WHERE seq > ? ORDER BY seq LIMIT 1", (after,)
        ).fetchone()
        return found[0] if found and isinstance(found[0], int) else None

    def delete_through(self, seq: int) -> None:
        """Delete all alerts up to one."""
        self._connection.execute("DELETE FROM records WHERE seq <= ?", (seq,))

    def span(self, pages: int) -> int | None:
        """The alert through which the oldest ones fill some pages, None: there is none."""
        through = None
        for seq, size in self._connection.execute(
            "SELECT seq, length(body) FROM records ORDER BY seq LIMIT ?", (_ENTRIES_IN_STEP,)
        ):
            through = seq
            pages -= (size + _OVERHEAD) / PAGE
            if pages <= 0:
                break
        return through

    def ends(self) -> tuple[int, int]:
        """The oldest alert there is and the newest there ever was; (1, 0) of an empty spool."""
        first, newest = self._connection.execute(
            "SELECT min(seq), max(seq) FROM records"
        ).fetchone()
        given = self._connection.execute(
            "SELECT seq FROM sqlite_sequence WHERE name = 'records'"
        ).fetchone()
        last = max(newest or 0, given[0] if given else 0)
        return first or last + 1, last

    def sinks(self) -> dict[str, int]:
        """Name of each sink → the alert up to which all are settled; without damaged rows."""
        found: dict[str, int] = {}
        for name, acked, digest in self._connection.execute(
            "SELECT name, acked, digest FROM sinks"
        ):
            is_typed = isinstance(name, bytes) and isinstance(acked, int)
            if is_typed and digest == digest_of(acked, 0, name, b""):
                found[name.decode()] = acked
                continue
            log.error("spool_place_corrupt", sink=repr(name))
        return found

    def save(self, sinks: dict[str, int]) -> None:
        """Store what `sinks` reads, of these and no others."""
        self._connection.execute("DELETE FROM sinks")
        self._connection.executemany(
            "INSERT INTO sinks VALUES (?, ?, ?)",
            [
                (name.encode(), acked, digest_of(acked, 0, name.encode(), b""))
                for name, acked in sinks.items()
            ],
        )

    def pages(self) -> tuple[int, int]:
        """Pages of the file, and how many of these are free."""
        count = self._connection.execute("PRAGMA page_count").fetchone()[0]
        free = self._connection.execute("PRAGMA freelist_count").fetchone()[0]
        return count, free

    def shrink(self, pages: int) -> None:
        """Give free pages back to the file system."""
        # One page a step: `execute` makes one step only, as the statement gives no columns.
        self._connection.executescript(f"PRAGMA incremental_vacuum({pages})")

    def close(self) -> None:
        """Free the file; never fails."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()


def pages_of(entry: Entry) -> int:
    """Pages that an alert takes, at most (https://sqlite.org/fileformat2.html, 1.6)."""
    size = len(entry.body) + len(entry.id) + _OVERHEAD
    return 1 if size < PAGE else 2 + size // (PAGE - 4)


def _prepare(connection: sqlite3.Connection, *, check: bool) -> None:
    database.make_tables(connection, _SCHEMA, VERSION)
    if check:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != b"ok":
            raise UnusableError(" ".join(found.decode(errors="replace").split()))
    connection.execute("SELECT seq, at, id, digest, body FROM records LIMIT 1").fetchone()
    connection.execute("SELECT name, acked, digest FROM sinks LIMIT 1").fetchone()


def _sync_folder(folder: Path) -> None:
    """Make the name of a new file durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
