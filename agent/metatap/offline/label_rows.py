"""The rows of a CSV of labels, read line by line with every size bounded."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from metatap.errors import MetatapError

COLUMNS = ("uid", "label", "family", "capture")
"""Columns that are read; the first two must be there."""

MAX_ROWS = 10_000_000
"""Rows of a file, at most: some 1.5 GB of memory once they are held."""

MAX_BYTES = 2**31
"""Bytes of a file, at most."""

MAX_LINE = 2**16
"""Bytes of a line, at most."""

MAX_FIELD = 512
"""Characters of a field that is read, at most."""


def label_rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Each row of a file after its first line: its place, and its fields without outer spaces.

    A column that the file does not have is empty.

    Args:
        path: A CSV (RFC 4180) in UTF-8; a pipe will do.

    Raises:
        MetatapError: it is too large, a column is missing, or a line is not as it should be; names
            file and line.
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        reader = csv.DictReader(_lines(file, path))
        try:
            missing = set(COLUMNS[:2]) - set(reader.fieldnames or ())
            if missing:
                raise MetatapError(f"{path}:1: no column {', '.join(sorted(missing))}")
            for number, row in enumerate(reader, 1):
                place = f"{path}:{reader.line_num}"
                if number > MAX_ROWS:
                    raise MetatapError(
                        f"{place}: more than {MAX_ROWS:,} labels; labels in a field of conn.log "
                        "have no such bound"
                    )
                if None in row:
                    raise MetatapError(f"{place}: more fields than columns; a comma needs quotes")
                yield place, {name: _field(place, name, row.get(name)) for name in COLUMNS}
        except csv.Error as error:
            raise MetatapError(f"{path}:{reader.line_num}: {error}") from None


def _lines(file: BinaryIO, path: Path) -> Iterator[str]:
    read = number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        read += len(line)
        if len(line) > MAX_LINE:
            raise MetatapError(f"{path}:{number}: a line of more than {MAX_LINE:,} bytes")
        if read > MAX_BYTES:
            raise MetatapError(f"{path}:{number}: more than {MAX_BYTES:,} bytes up to here")
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise MetatapError(f"{path}:{number}: not UTF-8: {error.reason}") from None


def _field(place: str, name: str, text: str | None) -> str:
    found = (text or "").strip()
    if len(found) > MAX_FIELD:
        raise MetatapError(f"{place}: {name}: {len(found):,} characters, at most {MAX_FIELD}")
    return found
