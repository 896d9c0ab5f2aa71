"""A file that lines are appended to, whole, after a crash and on a full disk too."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""The errors of a disk, quota or limit that is full."""


class AppendFile:
    """Opens at the first write and ends part of a line that something left behind.

    A method that raises OSError leaves the file open; `release` is all that makes sense then.
    """

    def __init__(self, path: Path) -> None:
        """A file that is not open; it is made, with its folder, at the first write if need be."""
        self._path = path
        self._file: int | None = None
        self._is_new = False

    def write(self, content: bytes) -> tuple[int, OSError | None]:
        """Append.

        Returns:
            Bytes that are written, and what ended the write early.
        """
        written = 0
        try:
            file = self._open()
            while written < len(content):
                written += os.write(file, memoryview(content)[written:])
        except OSError as error:
            return written, error
        return written, None

    def sync(self) -> None:
        """Wait for the disk; for the folder's entry too when the file is new."""
        if self._file is None:
            return
        os.fsync(self._file)
        if self._is_new:
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
            self._is_new = False

    def was_moved(self) -> bool:
        """Whether the path no longer leads to the open file."""
        if self._file is None:
            return False
        mine = os.fstat(self._file)
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return True
        return (mine.st_dev, mine.st_ino) != (there.st_dev, there.st_ino)

    def open_regular(self) -> None:
        """Open it now; a pipe or device is an error, since no disk answers for it."""
        if not stat.S_ISREG(os.fstat(self._open()).st_mode):
            raise OSError(errno.EINVAL, "is no regular file")

    def release(self) -> None:
        """Close the file; the next write opens the path anew; idempotent."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> int:
        """The file, open at its end, which is the end of a line."""
        if self._file is not None:
            return self._file
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._is_new = not self._path.exists()
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
        file = os.open(self._path, flags, 0o640)
        try:
            size = os.fstat(file).st_size
            if size and os.pread(file, 1, size - 1) != b"\n":
                os.write(file, b"\n")
        except OSError:
            os.close(file)
            raise
        self._file = file
        return file
