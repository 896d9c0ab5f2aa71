"""Where scores go: CSV, plain or gzip, to a file or standard output, and Parquet.

A file gets its name at the end: under it, it is whole (`metatap.writing`).
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol, Self, TypeVar

import numpy as np

from metatap.detector import RuleSet
from metatap.errors import MetatapError
from metatap.offline.scoring import ScoredBatch
from metatap.offline.uids import uid_texts
from metatap.writing import PartFile, write_whole

__all__ = [
    "COLUMNS",
    "STDOUT",
    "CsvFile",
    "CsvWriter",
    "PartFile",
    "Writer",
    "cell",
    "check_folder",
    "write_whole",
]

COLUMNS = ("uid", "pack", "score", "threshold", "alert")
"""Columns of every form, in this order."""

STDOUT = Path("-")

_GZIP_LEVEL = 4
_QUOTED = ',"\r\n'


Batch_contra = TypeVar("Batch_contra", contravariant=True)


class Writer(Protocol[Batch_contra]):
    """Takes batches of what was found of flows; a context manager, leaves no part if it fails."""

    def write(self, found: Batch_contra, /) -> int:
        """Write the rows of a batch; returns their number."""
        ...

    def __enter__(self) -> Self:
        """Open."""
        ...

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Finish the file, or remove what there is of it if an error came."""
        ...


class _Bytes(Protocol):
    """A file that takes bytes."""

    def write(self, data: bytes, /) -> int: ...

    def flush(self) -> None: ...


def check_folder(path: Path) -> None:
    """Check that a file can stand there.

    Raises:
        MetatapError: it is a folder, or its folder does not exist.
    """
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise MetatapError(f"{path}: not a file in a folder that exists")


class CsvFile:
    """A CSV file being written; a context manager."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        """Open nothing yet.

        Args:
            path: `-` for standard output; compressed if it ends in `.gz`.
            columns: The first line.
        """
        self._path = path
        self._columns = columns
        self._file: _Bytes
        self._open = ExitStack()
        self._part: PartFile | None = None

    def __enter__(self) -> Self:
        if self._path == STDOUT:
            self._file = sys.stdout.buffer
        else:
            self._part = PartFile(self._path)
            file = self._open.enter_context(self._part.part.open("wb"))
            self._file = file
            if self._path.suffix == ".gz":
                name = self._path.name.removesuffix(".gz")
                self._file = zipped = gzip.GzipFile(name, "wb", _GZIP_LEVEL, file, mtime=0)
                self._open.callback(zipped.close)
        self.add(",".join(self._columns) + "\n")
        return self

    def add(self, text: str) -> None:
        """Write whole lines."""
        self._file.write(text.encode())

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        whole = False
        try:
            if kind is None:
                self._file.flush()
            self._open.close()
            whole = kind is None
        finally:
            if self._part is not None:
                self._part.end(whole=whole)


class CsvWriter(CsvFile):
    """Scores as CSV; numbers with six digits, as `%.6g` gives them."""

    def __init__(self, path: Path, rules: RuleSet) -> None:
        """Open nothing yet.

        Args:
            path: As for `CsvFile`.
            rules: What the flows are scored with.
        """
        super().__init__(path, COLUMNS)
        self._row = "".join(
            f"%s,{pack.id.replace('%', '%%')},%.6g,{threshold:.6g},%d\n"
            for pack, threshold in zip(rules.packs, rules.thresholds.tolist(), strict=False)
        )

    def write(self, scored: ScoredBatch) -> int:
        """Write a row for each flow and pack; returns their number."""
        values = np.empty((*scored.scores.shape, 3), np.object_)
        values[:, :, 0] = np.array(
            [cell(uid) for uid in uid_texts(scored.batch)], np.object_
        ).reshape(-1, 1)
        values[:, :, 1] = scored.scores
        values[:, :, 2] = scored.alerts
        self.add(self._row * scored.batch.rows % tuple(values.ravel().tolist()))
        return scored.scores.size


def cell(text: str) -> str:
    """A text as a cell of CSV (RFC 4180)."""
    if text.isalnum() or not any(char in text for char in _QUOTED):
        return text
    return '"' + text.replace('"', '""') + '"'
