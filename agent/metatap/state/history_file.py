"""The SQLite file of the history: opening it, and telling whether it is one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from metatap.state.stored import COLUMNS, SCHEMA, VERSION

ASIDE = ".aside"
"""Suffix of a file that could not be read; the last one is kept."""

PAGE = 8_192
"""Bytes of a page of the file: several alerts in each."""


class UnusableError(Exception):
    """The file is no history of this agent's schema."""


def connect(path: Path, wait: float) -> sqlite3.Connection:
    """Open a history, made if it is not there.

    Args:
        path: The file.
        wait: Seconds to wait for a file that is locked.

    Raises:
        UnusableError: it is none, or of another schema.
        sqlite3.OperationalError: it can't be read or written.
    """
    connection = sqlite3.connect(path, timeout=wait, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA page_size = {PAGE}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        _prepare(connection)
    except (sqlite3.Error, UnicodeDecodeError, UnusableError) as error:
        connection.close()
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        # A plain SQLITE_ERROR is the file's: the statements are always the same ones.
        if isinstance(error, sqlite3.OperationalError) and code & 0xFF != sqlite3.SQLITE_ERROR:
            raise
        raise UnusableError(str(error)) from None
    return connection


def set_aside(path: Path) -> Path:
    """Rename a file that can't be used, without its log; the new name."""
    aside = path.with_name(path.name + ASIDE)
    path.replace(aside)
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    return aside


def is_broken(error: sqlite3.DatabaseError) -> bool:
    """Whether the file itself is at fault, not a lock, the disk or what was asked."""
    return type(error) is sqlite3.DatabaseError


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the tables of a new file; see whether an older one has them.

    Raises:
        UnusableError: it is of another schema.
        sqlite3.Error: it is none, or can't be read.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if not version and not tables:
        connection.executescript(f"BEGIN;{SCHEMA};PRAGMA user_version = {VERSION};COMMIT")
    elif version != VERSION:
        raise UnusableError(f"schema version {version}, this agent's is {VERSION}")
    connection.execute(f"SELECT {COLUMNS} FROM alerts LIMIT 1").fetchone()  # noqa: S608
    connection.execute("SELECT alert, at, verdict, note FROM verdicts LIMIT 1").fetchone()
