"""The control socket: one JSON line asked, one answered, to this user and root only.

A local stream socket, `control.sock` in the state folder. A request is `{"command": NAME}`; an
answer has `ok`, and `error` where it is false.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import structlog

from metatap.errors import MetatapError, StateError

FILE = "control.sock"

MAX_REQUEST = 4096
"""Bytes of a request."""

MAX_ANSWER = 2**26
"""Bytes of an answer that a client reads."""

PATIENCE = 5.0
"""Seconds a client has to send its request, and to take each part of the answer."""

BACKLOG = 16

Command = Callable[[], dict[str, Any]]
"""Gives the answer; raises MetatapError with what is wrong."""

_CREDENTIALS = struct.Struct("3i")

log = structlog.get_logger(__name__)


class Control:
    """Serves commands in a thread of its own, one client after the other."""

    def __init__(self, folder: Path, commands: Mapping[str, Command]) -> None:
        """Listen; a socket that an agent left behind is replaced.

        Args:
            folder: The state folder, which this agent holds the lock of.
            commands: Name → what answers it; called in the control thread.

        Raises:
            StateError: there can be no socket there.
        """
        self._commands = dict(commands)
        self._path = folder / FILE
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._path.unlink(missing_ok=True)
            with _short(folder) as place:
                self._socket.bind(f"{place}/{FILE}")
            self._path.chmod(0o600)
            self._socket.listen(BACKLOG)
        except OSError as error:
            self._socket.close()
            raise StateError(f"{self._path}: no control socket: {error.strerror}") from None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and remove the socket; idempotent."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(2 * PATIENCE)
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def _run(self) -> None:
        while not self._closed:
            try:
                client, _ = self._socket.accept()
            except OSError:
                if self._closed:
                    return
                continue
            with client:
                try:
                    client.settimeout(PATIENCE)
                    self._serve(client)
                except OSError as error:
                    log.debug("control_lost", reason=str(error))
                except Exception:
                    log.exception("control_failed")

    def _serve(self, client: socket.socket) -> None:
        size = _CREDENTIALS.size
        credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        pid, uid, _ = _CREDENTIALS.unpack(credentials)
        if uid not in {0, os.geteuid()}:
            log.warning("control_refused", pid=pid, uid=uid)
            return
        answer = self._answer(_line(client, MAX_REQUEST))
        client.sendall(json.dumps(answer).encode() + b"\n")

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            name = request["command"]
            command = self._commands[name]
        except (ValueError, TypeError, KeyError, RecursionError):
            known = ", ".join(sorted(self._commands))
            return {"ok": False, "error": f"not a request; commands are {known}"}
        log.debug("control_command", command=name)
        try:
            return {"ok": True, **command()}
        except MetatapError as error:
            return {"ok": False, "error": str(error)}


def ask(folder: Path, command: str, timeout: float = 60.0) -> dict[str, Any]:
    """Ask the agent that keeps its state in a folder.

    Args:
        folder: The state folder.
        command: `status` or `rollback`.
        timeout: Seconds to wait for the answer.

    Returns:
        The answer, without `ok`.

    Raises:
        StateError: no agent runs there, it does not answer, or it says what is wrong.
    """
    path = folder / FILE
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(timeout)
        try:
            with _short(folder) as place:
                client.connect(f"{place}/{FILE}")
            client.sendall(json.dumps({"command": command}).encode() + b"\n")
            line = _line(client, MAX_ANSWER)
        except TimeoutError:
            raise StateError(f"{path}: the agent did not answer in {timeout:g} s") from None
        except OSError as error:
            raise StateError(f"{path}: no agent runs there: {error.strerror}") from None
    try:
        answer: dict[str, Any] = json.loads(line)
        is_fine = answer.pop("ok")
    except (ValueError, KeyError, AttributeError):
        raise StateError(f"{path}: refused, or no answer of an agent") from None
    if not is_fine:
        raise StateError(str(answer.get("error")))
    return answer


@contextlib.contextmanager
def _short(folder: Path) -> Iterator[str]:
    """A short path to a folder: that of a socket has at most 107 bytes."""
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)


def _line(connection: socket.socket, limit: int) -> bytes:
    """What comes up to the first line end, or to the end, at most `limit` bytes."""
    parts: list[bytes] = []
    size = 0
    deadline = time.monotonic() + (connection.gettimeout() or PATIENCE)
    while size < limit:
        if time.monotonic() > deadline:
            raise TimeoutError
        part = connection.recv(min(65_536, limit - size))
        if not part:
            break
        parts.append(part)
        size += len(part)
        if b"\n" in part:
            break
    return b"".join(parts).partition(b"\n")[0]
