"""What the name of a log file says: `conn.00:00:00-01:00:00-logger-1.log.gz`.

A log's name is `conn`, `dns`, `http`, `ssl` or `ssh`, then anything, then `.log`, `.jsonl` or
`.json`, with `.gz` or without. Between the points may stand an interval, as zeekctl writes it, and
the logger that wrote the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from metatap.sources.logs.fields import FIELDS

_NAME = re.compile(rf"({'|'.join(FIELDS)})(\..+)?\.(log|jsonl|json)(\.gz)?")
_TIME = r"\d\d:\d\d:\d\d"
_INTERVAL = re.compile(rf"\.{_TIME}-({_TIME})(-.+)?")
_LOGGER = re.compile(r"(.*)-logger-\d+")
_LOGGER_FOLDER = re.compile(r"logger-\d+")
_ROTATED = re.compile(r"conn(\.(log|jsonl|json)[.-].+|\.[^.]+|[-_].*\.log([.-].+)?)")
_SUMMARY = "conn-summary"
"""Begin of the names of Zeek's own statistics, text for people."""


@dataclass(frozen=True, slots=True)
class Name:
    """The name of a log file.

    Attributes:
        log: Which log.
        group: The same for files of the log that several loggers wrote at once.
        end: End of the interval, "" without one.
        rest: What stands between log and form, without the logger; "" if there is nothing.
    """

    log: str
    group: str
    end: str
    rest: str

    def belongs(self, conn: Name) -> bool:
        """Whether it is of the same interval as a conn log; logs open with their first line."""
        return self.end == conn.end if conn.end else self.rest == conn.rest


def parse(name: str) -> Name | None:
    """What a name says; None if it is not that of a log."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    log, rest, form = found[1], found[2] or "", found[3]
    interval = _INTERVAL.fullmatch(rest)
    if interval is None:
        logger = _LOGGER.fullmatch(rest)
        rest = logger[1] if logger else rest
        return Name(log, f"{rest}.{form}", "", rest)
    end, logger_name = interval[1], interval[2] or ""
    rest = rest.removesuffix(logger_name) if logger_name else rest
    return Name(log, f"-{end}.{form}" if logger_name else f"{rest}.{form}", end, rest)


def is_rotated(name: str) -> bool:
    """Whether the name is that of a conn log which was rotated or packed and is not read."""
    return (
        _ROTATED.fullmatch(name) is not None
        and _NAME.fullmatch(name) is None
        and not name.startswith(_SUMMARY)
    )


def folder_key(folder: Path) -> Path:
    """The same for the folders of several loggers: `logger-1`, `logger-2` beside each other."""
    parts = ("logger" if _LOGGER_FOLDER.fullmatch(part) else part for part in folder.parts)
    return Path(*parts)
