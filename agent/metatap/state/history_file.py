"""The SQLite file of the history: opening it, and telling whether it is one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from metatap.state.damage import FAULTS, UnusableError, is_broken, is_new
from metatap.state.stored import COLUMNS, SCHEMA, VERSION

PAGE = 8_192
"""Bytes of a page of the file: several alerts in each."""


def connect(path: Path, wait: float) -> sqlite3.Connection:
    """Open a history, made if it is not there.

    Args:
        path: The file.
        wait: Seconds to wait for a file that is locked.

    Raises:
        UnusableError: it is none, or of another schema.
        sqlite3.Error: it can't be read or written.
        OSError: it can't be read.
    """
    is_new(path)
    connection = sqlite3.connect(path, timeout=wait, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA page_size = {PAGE}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        _prepare(connection)
    except UnusableError:
        connection.close()
        raise
    except FAULTS as error:
        connection.close()
        if not is_broken(error):
            raise
        raise UnusableError(str(error)) from None
    return connection


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
