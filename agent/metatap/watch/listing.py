"""What lies under a watched path, by name, and what tells that a file is another one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

MAX_FILES = 20_000
"""Entries of one folder that are looked at, at most."""


class Signature(NamedTuple):
    """Of a file; another content, owner or place gives another one.

    `changed` is the inode's time, which no program sets: it tells contents apart that were copied
    with their old `modified` time.
    """

    inode: int
    size: int
    modified: int
    changed: int


Listing = dict[Path, Signature]


@dataclass(frozen=True, slots=True)
class Target:
    """A watched path.

    Attributes:
        kind: What it holds, e.g. `packs`.
        path: A folder, or a file.
        suffixes: Of the files that matter; hidden and backup files never do. Of a watched file
            also those of its companions: of `m.onnx` with `.yaml` also `m.yaml`.
    """

    kind: str
    path: Path
    suffixes: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """The folder whose entries matter."""
        return self.path if self.path.is_dir() else self.path.parent

    def look(self) -> Listing:
        """The files that are there; none where the path can't be read."""
        found: Listing = {}
        for path in self._paths():
            try:
                stat = path.stat()
            except (OSError, ValueError):
                continue
            found[path] = Signature(stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        return found

    def _paths(self) -> Iterator[Path]:
        if not self.path.is_dir():
            yield self.path
            yield from (self.path.with_suffix(suffix) for suffix in self.suffixes)
            return
        try:
            with os.scandir(self.path) as entries:
                names = [entry.name for entry in islice(entries, MAX_FILES)]
        except OSError:
            return
        yield from (self.path / name for name in names if self._matters(name))

    def _matters(self, name: str) -> bool:
        return name.endswith(self.suffixes) and not name.startswith((".", "#"))
