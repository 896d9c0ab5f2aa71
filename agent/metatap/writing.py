"""Files written in one step: at no instant does a part of one stand under its name.

A file that is replaced keeps its permissions and, where this process may give it away, its owner;
a link to it stays a link. A new one gets what the umask leaves of 0666.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path

_NAME = 48
"""Characters of the file's name that the name of the part has, at most: it must fit, too."""


class PartFile:
    """A file under its name only once it is whole; until then a hidden one beside it.

    Attributes:
        part: Where it is written until then; it is there, and empty.
    """

    def __init__(self, path: Path) -> None:
        """Make the part.

        Args:
            path: The name the file will have; a file that is there stays as it is until then.

        Raises:
            OSError: the part can't be made, or something else than a file has the name; names the
                file.
        """
        self._path = Path(os.path.realpath(path))
        self._before = _stat(self._path)
        mode = 0o666 if self._before is None else stat.S_IMODE(self._before.st_mode) & 0o666 | 0o600
        name = f".{self._path.name[:_NAME]}.{secrets.token_hex(4)}.part"
        self.part = self._path.with_name(name)
        try:
            os.close(os.open(self.part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode))
        except OSError as error:
            error.filename = str(path)
            raise

    def end(self, *, whole: bool) -> None:
        """Give it its name, once it is on the disk, or remove it; nothing once that was done.

        Raises:
            OSError: it can't have the name; the part is removed.
        """
        try:
            if whole and self.part.exists():
                _finish(self.part, self._before)
                self.part.replace(self._path)
                with contextlib.suppress(OSError):  # not every file system can
                    _finish(self._path.parent)
        finally:
            self.part.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file; if that fails, what was there stands.

    Raises:
        OSError: it can't be written; `strerror` says why.
    """
    part, whole = PartFile(path), False
    try:
        part.part.write_bytes(data)
        whole = True
    finally:
        part.end(whole=whole)


def _stat(path: Path) -> os.stat_result | None:
    """What is known of the file that is there, None if there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a file", str(path))
    return found


def _finish(path: Path, like: os.stat_result | None = None) -> None:
    """Wait until a file, or the names in a folder, are on the disk; owner and mode as `like`."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if like is not None:
            own = os.fstat(handle)
            if (own.st_uid, own.st_gid) != (like.st_uid, like.st_gid):
                with contextlib.suppress(PermissionError):
                    os.fchown(handle, like.st_uid, like.st_gid)
            os.fchmod(handle, stat.S_IMODE(like.st_mode) & 0o777)
        os.fsync(handle)
    finally:
        os.close(handle)
