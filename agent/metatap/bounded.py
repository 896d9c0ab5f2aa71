"""Files of which nothing is known: which are meant; never more than a limit, never a pipe."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection
from pathlib import Path


def read_bounded(path: Path, limit: int) -> bytes:
    """The bytes of a regular file, `limit` + 1 of one that is larger.

    Raises:
        OSError: it can't be read, or is a folder, a pipe or a device; `strerror` says why.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as error:
        raise OSError(errno.EINVAL, str(error), str(path)) from None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "not a file", str(path))
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read(limit + 1)
    finally:
        os.close(handle)


def is_meant(path: Path, suffixes: Collection[str]) -> bool:
    """Whether an entry of a folder is meant: by its ending; no hidden or backup file, no folder.

    A link that leads nowhere is meant, and fails when it is read: alone, not with its folder.
    """
    is_named = path.suffix in suffixes and not path.name.startswith((".", "#"))
    return is_named and not os.path.isdir(path)  # noqa: PTH112 - is_dir raises for a bad link
