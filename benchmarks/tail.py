"""Lines of a growing file with the time each was seen."""

from __future__ import annotations

import os
import time
from pathlib import Path

CHUNK = 1 << 20


class Tail:
    """A file that another process appends to; it need not be there yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._left = b""

    def lines(self) -> tuple[float, list[bytes]]:
        """The whole lines that are new, and when they were seen, s on the monotonic clock."""
        if self._file is None:
            try:
                self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return time.monotonic(), []
        now, data = time.monotonic(), os.read(self._file, CHUNK)
        if not data:
            return now, []
        *whole, self._left = (self._left + data).split(b"\n")
        return now, whole

    def close(self) -> None:
        """Free the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
