"""A SQLite file that a disk damaged, or that is none: telling it, and setting it aside."""

from __future__ import annotations

import sqlite3
from pathlib import Path

ASIDE = ".aside"
"""Suffix of a file that could not be read; the last one is kept."""

FAULTS = (sqlite3.Error, UnicodeDecodeError)
"""What using a file gives rise to; SQLite's message of a damaged one may quote bytes that are no
text."""

_MAGIC = b"SQLite format 3\0"

_VERSIONS = slice(18, 20)
"""Where the header says which SQLite may write, and which may read
(https://sqlite.org/fileformat2.html, 1.3.3)."""

_CODES = (
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_SCHEMA,
    sqlite3.SQLITE_ERROR,
)


class UnusableError(Exception):
    """The file is none of ours, broken, or of another version."""


def is_new(path: Path) -> bool:
    """Whether a file has nothing in it yet, or is not there.

    SQLite opens one of a later format for reading alone, and says so only at the first write.

    Raises:
        UnusableError: it is none of SQLite's, or its header names a format that can't be written.
        OSError: it can't be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_VERSIONS.stop)
    except FileNotFoundError:
        return True
    if not start:
        return True
    if not start.startswith(_MAGIC):
        raise UnusableError("not a database")
    if not {*start[_VERSIONS]} <= {1, 2}:
        raise UnusableError("a database of a format that can't be written")
    return False


def is_broken(error: Exception) -> bool:
    """Whether the file itself is at fault, not a lock, its disk or what was asked.

    A plain SQLITE_ERROR is the file's too: the statements are always the same ones.

    Args:
        error: One of `FAULTS`.
    """
    if isinstance(error, UnicodeDecodeError):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and (code & 0xFF) in _CODES


def set_aside(path: Path) -> Path:
    """Rename a file that can't be used, without its log; the new name.

    Raises:
        OSError: it can't be renamed.
    """
    aside = path.with_name(path.name + ASIDE)
    path.replace(aside)
    remove(path)
    return aside


def remove(path: Path) -> None:
    """Delete a database and its log, the log first: it must never be taken for another one's.

    Raises:
        OSError: a file can't be deleted.
    """
    for end in ("-wal", "-shm", ""):
        path.with_name(path.name + end).unlink(missing_ok=True)
