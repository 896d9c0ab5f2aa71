"""Which files are the logs of which folder, in the order they were written.

A file is a log if its name is `conn`, `dns`, `http`, `ssl` or `ssh`, then anything, then `.log`,
`.jsonl` or `.json`, with `.gz` or without: `conn.log`, `conn.00:00:00-01:00:00.log.gz`,
`dns.jsonl.gz`. Others are ignored. Folders and the files of a log in a folder are read in the order
of their names, which is that of time in what zeekctl archives: `2026-11-01/`, `2026-11-02/`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from metatap.errors import SourceError
from metatap.sources.logs.fields import FIELDS

NAME = re.compile(rf"({'|'.join(FIELDS)})(\..+)?\.(log|jsonl|json)(\.gz)?")
"""Name of a file that is read; its first group is the log."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file of a log.

    Attributes:
        path: Where it is.
        node: Its name for messages: relative to the path that was given.
        size: Bytes.
    """

    path: Path
    node: str
    size: int


@dataclass(frozen=True, slots=True)
class Folder:
    """The logs of one folder, read together.

    Attributes:
        files: Log → its files, in order; a log that is not there has no entry.
    """

    files: dict[str, list[LogFile]] = field(default_factory=dict)

    def add(self, path: Path, node: str) -> None:
        """Add a file, once.

        Raises:
            SourceError: it can't be looked at.
        """
        files = self.files.setdefault(_log_of(path.name), [])
        if any(file.path == path for file in files):
            return
        try:
            size = path.stat().st_size
        except OSError as error:
            raise SourceError(f"{path}: {error.strerror or error}") from None
        files.append(LogFile(path, node, size))


def is_log(name: str) -> bool:
    """Whether a file of this name is read."""
    return NAME.fullmatch(name) is not None


def is_conn(name: str) -> bool:
    """Whether a file of this name is a conn log."""
    return is_log(name) and _log_of(name) == "conn"


def find_folders(paths: Sequence[Path]) -> list[Folder]:
    """The folders with logs, in the order they are read.

    Args:
        paths: Folders, read with all below them (links to folders are not followed), or files. A
            conn log brings the other logs that lie beside it under the same name.

    Raises:
        SourceError: a path does not exist, is no log, or there is no conn log in any of them.
    """
    folders: dict[Path, Folder] = {}
    for path in paths:
        if path.is_dir():
            _walk(path, folders)
        elif path.is_file():
            _beside(path, folders)
        else:
            raise SourceError(f"{path}: no such file or folder")
    if not any("conn" in folder.files for folder in folders.values()):
        raise SourceError(f"{', '.join(map(str, paths))}: no conn log")
    return list(folders.values())


def _log_of(name: str) -> str:
    return name.partition(".")[0]


def _walk(top: Path, folders: dict[Path, Folder]) -> None:
    for place, below, names in os.walk(top):
        below.sort()
        for name in sorted(filter(is_log, names)):
            path = Path(place) / name
            if path.is_file():
                folders.setdefault(path.parent, Folder()).add(path, str(path.relative_to(top)))


def _beside(path: Path, folders: dict[Path, Folder]) -> None:
    """Add a file and, if it is a conn log, those of the other logs of the same name."""
    if not is_log(path.name):
        raise SourceError(
            f"{path}: not the name of a log: {', '.join(FIELDS)}, then .log or .jsonl"
        )
    folder = folders.setdefault(path.parent, Folder())
    folder.add(path, path.name)
    if _log_of(path.name) != "conn":
        return
    rest = path.name.removeprefix("conn").removesuffix(".gz")
    for log in FIELDS:
        for end in ("", ".gz"):
            other = path.parent / f"{log}{rest}{end}"
            if log != "conn" and other.is_file():
                folder.add(other, other.name)
