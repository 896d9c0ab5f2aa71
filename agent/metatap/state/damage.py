"""A SQLite file that a disk damaged, or that is none: telling it, and setting it aside."""

from __future__ import annotations

import sqlite3
from pathlib import Path

ASIDE = ".aside"
"""Suffix of a file that could not be read; the last one is kept."""

FAULTS = (sqlite3.Error, UnicodeDecodeError)
"""What using a file gives rise to; SQLite's message of a damaged one may quote bytes that are no
text."""

_CODES = (
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_SCHEMA,
    sqlite3.SQLITE_ERROR,
)


class UnusableError(Exception):
    """The file is none of ours, broken, or of another version."""


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
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    return aside
