"""Which files are the logs of which folder, in the order they were written.

A file is a log if its name (see `names`) is `conn.log`, `conn.00:00:00-01:00:00.log.gz`,
`dns.jsonl.gz` or the like; others are ignored. Folders and the files of a log in a folder are read
in the order of their names, which is that of time in what zeekctl archives: `2026-11-01/`,
`2026-11-02/`. A folder comes after those below it: what lies above an archive is newer.

Several loggers of one cluster write at once, a connection's lines with any of them. Their files of
one interval are a group, whose lines are merged; their folders `logger-1/`, `logger-2/` are one.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from metatap.errors import SourceError
from metatap.sources.logs.fields import FIELDS
from metatap.sources.logs.names import Name, folder_key, is_rotated, parse

_log = structlog.get_logger(__name__)

_LAST = "\U0010ffff"
"""Sorts after the name of any folder."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file of a log.

    Attributes:
        path: Where it is.
        node: Its name for messages: relative to the path that was given.
        size: Bytes.
        group: The same for the files of a log and folder that were written at once; they stand
            together.
    """

    path: Path
    node: str
    size: int
    group: str


@dataclass(frozen=True, slots=True)
class Folder:
    """The logs of one folder, read together.

    Attributes:
        files: Log → its files, in order; a log that is not there has no entry.
    """

    files: dict[str, list[LogFile]] = field(default_factory=dict)


def is_log(name: str) -> bool:
    """Whether a file of this name is read."""
    return parse(name) is not None


def is_conn(name: str) -> bool:
    """Whether a file of this name is a conn log."""
    found = parse(name)
    return found is not None and found.log == "conn"


def find_folders(paths: Sequence[Path]) -> list[Folder]:
    """The folders with logs, in the order they are read.

    Args:
        paths: Folders, read with all below them (links to folders are not followed), or files. A
            conn log brings the other logs of its interval that lie beside it.

    Raises:
        SourceError: a path does not exist, is no log, or can't be looked at; or there is no conn
            log in any of them.
    """
    finder = _Finder()
    for path in paths:
        kind = _kind(path)
        if kind is None:
            raise SourceError(f"{path}: no such file or folder")
        if stat.S_ISDIR(kind.st_mode):
            finder.walk(path)
        else:
            finder.beside(path)
    folders = finder.folders()
    if not any("conn" in folder.files for folder in folders):
        raise SourceError(f"{', '.join(map(str, paths)) or 'nothing given'}: no conn log")
    return folders


def _kind(path: Path) -> os.stat_result | None:
    """What a path is; None if it is not there."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}") from None


class _Finder:
    """Collects files, each once."""

    def __init__(self) -> None:
        self._found: dict[Path, dict[str, dict[str, list[LogFile]]]] = {}
        self._seen: set[tuple[int, int]] = set()

    def folders(self) -> list[Folder]:
        """The folders, the files of a group together."""
        return [
            Folder({log: [f for files in g.values() for f in files] for log, g in logs.items()})
            for logs in self._found.values()
        ]

    def walk(self, top: Path) -> None:
        """Take in a folder with all below it."""

        def fail(error: OSError) -> None:
            raise SourceError(f"{error.filename}: {error.strerror or error}")

        below = sorted(
            ((Path(place), names) for place, _, names in os.walk(top, onerror=fail)),
            key=lambda item: (*item[0].relative_to(top).parts, _LAST),
        )
        unread: list[str] = []
        twice: list[str] = []
        for place, names in below:
            unread += [str(place / name) for name in sorted(names) if is_rotated(name)]
            there = set(names)
            for name in sorted(names):
                parsed = parse(name)
                if parsed is None:
                    continue
                if name.endswith(".gz") and name.removesuffix(".gz") in there:
                    twice.append(str(place / name))
                    continue
                path = place / name
                self._add(path, parsed, str(path.relative_to(top)))
        if unread:
            _log.warning("logs_not_read", files=len(unread), first=unread[0])
        if twice:
            _log.info("logs_twice", files=len(twice), first=twice[0])

    def beside(self, path: Path) -> None:
        """Take in a file and, if it is a conn log, the other logs of its interval beside it."""
        parsed = parse(path.name)
        if parsed is None:
            names = ", ".join(FIELDS)
            raise SourceError(f"{path}: not the name of a log: {names}, then .log or .jsonl")
        if not os.access(path, os.R_OK):
            raise SourceError(f"{path}: can't be read")
        self._add(path, parsed, path.name)
        if parsed.log != "conn":
            return
        try:
            there = {other.name for other in path.parent.iterdir()}
        except OSError as error:
            raise SourceError(f"{path.parent}: {error.strerror or error}") from None
        others = []
        for name in sorted(there):
            other = parse(name)
            if other is None or other.log == "conn" or not other.belongs(parsed):
                continue
            if not (name.endswith(".gz") and name.removesuffix(".gz") in there):
                self._add(path.parent / name, other, name)
                others.append(name)
        _log.info("logs_beside", file=path.name, others=others)

    def _add(self, path: Path, name: Name, node: str) -> None:
        kind = _kind(path)
        if kind is None or not stat.S_ISREG(kind.st_mode):
            return
        if (kind.st_dev, kind.st_ino) in self._seen:
            return
        self._seen.add((kind.st_dev, kind.st_ino))
        groups = self._found.setdefault(folder_key(path.parent), {}).setdefault(name.log, {})
        groups.setdefault(name.group, []).append(LogFile(path, node, kind.st_size, name.group))
