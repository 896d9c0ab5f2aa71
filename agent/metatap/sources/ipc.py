"""Binding a Unix socket without taking it from a living process.

ZeroMQ unlinks the socket file that stands at an `ipc://` address before it binds it, whoever
listens there: that process would hear nothing any more, and nobody would be told.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from metatap.errors import SourceError

_LOCK_WAIT_S = 2.0
_LOCK_POLL_S = 0.01


@contextmanager
def unshared(address: str) -> Iterator[None]:
    """To bind within: nobody listens at the address, nor does another agent bind it meanwhile.

    Args:
        address: Any ZeroMQ address; only a path of `ipc://` is looked at.

    Raises:
        SourceError: a process listens there; names the address.
    """
    transport, _, path = address.partition("://")
    if transport != "ipc" or path.startswith(("@", "*")):
        yield
        return
    with _locked(Path(path).parent):
        _refuse_if_heard(address, path)
        yield


def _refuse_if_heard(address: str, path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0)
        try:
            probe.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return  # Nothing there, or what a process that is gone left behind.
        except BlockingIOError:
            pass  # Somebody listens, and is busy.
        except OSError as error:
            raise SourceError(f"{address}: can't be bound: {error.strerror or error}") from None
    raise SourceError(f"{address}: can't be bound: another process listens there")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, so that of two agents starting at once one sees the other.

    A folder that can't be opened, or is locked by something else for long, is no reason to fail.
    """
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        deadline = time.monotonic() + _LOCK_WAIT_S
        while time.monotonic() < deadline:
            with suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(_LOCK_POLL_S)
        yield
    finally:
        os.close(handle)
