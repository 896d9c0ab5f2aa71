"""The SQLite file of the history: opening it, and telling whether it is one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from metatap.state import database
from metatap.state.stored import COLUMNS, SCHEMA, VERSION

PAGE = 8_192
"""Bytes of a page of the file: several alerts in each."""

_SETTINGS = (f"page_size = {PAGE}", "journal_mode = WAL", "synchronous = NORMAL")


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
    return database.connect(path, wait, _SETTINGS, _prepare)


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the tables of a new file; see whether an older one has them."""
    database.make_tables(connection, SCHEMA, VERSION)
    connection.execute(f"SELECT {COLUMNS} FROM alerts LIMIT 1").fetchone()  # noqa: S608
    connection.execute("SELECT alert, at, verdict, note FROM verdicts LIMIT 1").fetchone()
