"""Opening one of the agent's SQLite files, and telling whether it is one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from metatap.state.damage import FAULTS, UnusableError, is_broken, is_new


def connect(
    path: Path, wait: float, settings: Sequence[str], prepare: Callable[[sqlite3.Connection], None]
) -> sqlite3.Connection:
    """Open a database, made if it is not there; usable from several threads, one at a time.

    Args:
        path: The file.
        wait: Seconds to wait for a file that is locked.
        settings: PRAGMAs, in the order they are run.
        prepare: Makes the tables, or sees whether they are there.

    Raises:
        UnusableError: it is none, broken, or of another schema.
        sqlite3.Error: it can't be read or written.
        OSError: it can't be read.
    """
    is_new(path)
    connection = sqlite3.connect(path, timeout=wait, check_same_thread=False)
    try:
        for setting in settings:
            connection.execute(f"PRAGMA {setting}")
        prepare(connection)
    except UnusableError:
        connection.close()
        raise
    except FAULTS as error:
        connection.close()
        if not is_broken(error):
            raise
        raise UnusableError(str(error)) from None
    return connection


def make_tables(connection: sqlite3.Connection, schema: str, version: int) -> None:
    """Make the tables of a new file; see whether an older one is of this schema.

    Raises:
        UnusableError: it is of another schema.
        sqlite3.Error: it is none, or can't be read.
    """
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if not found and not tables:
        connection.executescript(f"BEGIN;{schema};PRAGMA user_version = {version};COMMIT")
    elif found != version:
        raise UnusableError(f"schema version {found}, this agent's is {version}")
